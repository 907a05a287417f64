"""Opens the sources and outputs of picture and sound that a user names (``cam0``, ``mic``, ``page``,
a file)."""

import re
from pathlib import Path

from codec.media.files import FileSound, SourceError
from receiver.outputs.base import Output
from receiver.outputs.mp4 import FileOutput
from receiver.outputs.page_tracks import PageOutput
from receiver.outputs.speakers import Speakers
from receiver.outputs.video_file import OutputError
from receiver.outputs.window import Window
from sender.capture.devices import Camera, Microphone
from sender.capture.inputs import AudioInput, StillPicture, VideoInput
from sender.capture.page import PushedSound, PushedVideo
from sender.capture.sources import FileSource, LiveSource, Source
from signaling.web.capture import Capture

Sound = AudioInput | Path | None


def is_camera(video: str) -> bool:
    """Whether this names a camera of this machine, "cam0" and the like; a file may be called camera.mp4."""
    return re.fullmatch(r"cam\d+", video) is not None


def open_source(
    video: str | None, audio: str | None, loop: bool = False, seconds: float | None = None
) -> tuple[Source | None, Capture | None]:
    """The source (None if nothing is sent), and what the page captures for it (None if nothing).

    ``video``: "camN", "page" (a browser's camera) or a file. A single picture is shown as long as there is sound from a
    file, else for ever. ``audio``: "mic", "mic:NAME", "page" or a file; None: the sound of the video file, if it has any.
    Raises ``SourceError``.
    """
    if video is None and audio is None:
        return None, None
    pushed = PushedVideo() if video == "page" else None
    camera: VideoInput | None = pushed or (Camera(int(video[3:])) if video and is_camera(video) else None)
    try:
        if video is not None and camera is None and not Path(video).is_file():
            raise SourceError(f"no such file: {video}")
        sound = _open_sound(audio)
        microphone = sound if isinstance(sound, PushedSound) else None
        capture = Capture(pushed, microphone) if pushed or microphone else None
        if video is not None and camera is None:
            heard = Path(video) if sound is None else sound
            still = StillPicture.of(Path(video))
            if still is None or (isinstance(heard, Path) and not FileSound(heard).over):
                return FileSource(Path(video), sound, loop, seconds), capture
            camera = still
        live = FileSound(sound) if isinstance(sound, Path) else sound
    except SourceError:
        if camera:
            camera.close()
        raise
    return LiveSource(camera, live, seconds=seconds), capture


def _open_sound(audio: str | None) -> Sound:
    if audio is None:
        return None
    if audio == "page":
        return PushedSound()
    if audio == "mic" or audio.startswith("mic:"):
        return Microphone(audio[4:] or None)
    if not Path(audio).is_file():
        raise SourceError(f"no such file: {audio}")
    return Path(audio)


def open_outputs(outs: list[str]) -> tuple[list[Output], PageOutput | None]:
    """All outputs that ``outs`` names, and once more the page's output, if it is among them. Names:
    "page", "window", "speakers", "speakers:NAME" or a .mp4 file; .fw files are left to the recorder.
    Raises ``OutputError``."""
    outputs: list[Output] = []
    page = None
    for out in outs:
        if out == "page":
            page = PageOutput()
            outputs.append(page)
        elif out == "window":
            outputs.append(Window())
        elif out == "speakers" or out.startswith("speakers:"):
            outputs.append(Speakers(out[9:] or None))
        elif out.endswith(".mp4"):
            outputs.append(FileOutput(Path(out)))
        elif not out.endswith(".fw"):
            raise OutputError(f"output {out!r} is not page, window, speakers, a .mp4 or a .fw file")
    return outputs, page
