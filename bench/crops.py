"""A video → the 256×256 face crops that facewire would send, as a video of its own: what every codec is then given alike."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from sender.inputs import FRAME_RATE, RATE, file_frames, file_sound
from sender.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from sender.tracker import SIDE

UInt8 = npt.NDArray[np.uint8]


def face_crops(video: Path) -> list[UInt8]:
    """The face in each frame of a video, as the sender follows it: (256, 256, 3) each. Raises ``SourceError``."""
    stream, out = SenderStream(StreamConfig()), list[UInt8]()
    stream.choice = None
    stream.on_crops = lambda _, crops: out.extend(crops)
    for tick in file_ticks(video):
        stream.candidates(tick)
    return out


def cropped(video: Path, folder: Path) -> tuple[Path, list[UInt8]]:
    """(a video of 256×256 crops with the sound of ``video``, its frames); a 256×256 video is taken as it is.

    Nothing is lost: the crops are stored in FFV1, the sound as PCM, in ``folder``. Raises ``SourceError``.
    """
    frames = list(file_frames(video))
    if frames[0].shape == (SIDE, SIDE, 3):
        return video, frames
    crops, out = face_crops(video), folder / f"{video.stem}.crops.mkv"
    with av.open(str(out), "w") as container:
        pictures = container.add_stream("ffv1", rate=FRAME_RATE)
        pictures.width = pictures.height = SIDE
        pictures.pix_fmt = "bgr0"
        sound = list(file_sound(video))
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono") if sound else None
        for crop in crops:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(crop, format="rgb24")))
        container.mux(pictures.encode())
        if track:
            samples = (np.concatenate(sound) * 32767).round().clip(-32768, 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(track.encode(frame))
            container.mux(track.encode())
    return out, crops
