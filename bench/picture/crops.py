"""A video → the 256×256 face crops that facewire would send, as a separate video: every codec then gets
the same input."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from codec.media.files import file_frames, file_sound
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, UInt8
from models.face.tracker import SIDE
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig


def face_crops(video: Path) -> list[UInt8]:
    """The face in each frame of a video, as the sender follows it: (256, 256, 3) each. Raises ``SourceError``."""
    stream, out = SenderStream(StreamConfig()), list[UInt8]()
    stream.keyframes.choice = None
    stream.framing.on_crops = lambda _, crops: out.extend(crops)
    for tick in file_ticks(video):
        stream.skip(tick)
    return out


def cropped(video: Path, folder: Path) -> tuple[Path, list[UInt8]]:
    """(a video of 256×256 crops with the sound of ``video``, its frames); a 256×256 video is taken as it is.

    The crops are stored losslessly in ``folder``, as FFV1 with PCM sound. Raises ``SourceError``.
    """
    if next(file_frames(video)).shape == (SIDE, SIDE, 3):
        return video, list(file_frames(video))
    crops, out = face_crops(video), folder / f"{video.stem}.crops.mkv"
    sound = list(file_sound(video))
    write_lossless(out, crops, np.concatenate(sound) if sound else None)
    return out, crops


def write_lossless(out: Path, frames: Sequence[UInt8], sound: Float32 | None) -> None:
    """Write a Matroska file: frames (256, 256, 3) at 25 FPS in FFV1, and mono 16 kHz sound in [-1, 1] as PCM."""
    with av.open(str(out), "w") as container:
        pictures = container.add_stream("ffv1", rate=FRAME_RATE)
        pictures.width = pictures.height = SIDE
        pictures.pix_fmt = "bgr0"
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono") if sound is not None else None
        for picture in frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(pictures.encode())
        if track is not None and sound is not None:
            samples = (sound * 32767).round().clip(-32768, 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(track.encode(frame))
            container.mux(track.encode())
