"""``encode``: a video file → a ``.fw`` file, through the same bundles as a call."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from codec.accounting import BitCount
from codec.bundle import TICK_MODES, Face
from codec.container import FileWriter
from codec.keyframe import Keyframe
from codec.media.types import UInt8
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from receiver.decode_file import Progress
from receiver.outputs.video_file import check_name
from sender.capture.sources import file_ticks
from sender.file_refresh import FileRefresh
from sender.framing import Framing
from sender.keyframes.choice import KeyframeChoice
from sender.keyframes.outgoing import CHOICE_TICKS_MAX
from sender.scenes import Scenes, find_scenes, slot_for
from sender.stream import SenderStream, StreamConfig


@dataclass(frozen=True)
class Encoded:
    """Figures of an encoded video: its bits, the small pictures' PSNR in dB against the unquantised, its
    frames (25 a second), and how many of them lie in ticks in which no face was found."""

    count: BitCount
    lowres_psnr_db: float | None
    frames: int
    faceless_frames: int


def without_face(source: Path, count: int, frames: int) -> str:
    """A sentence about the frames that showed no face, and what was encoded for them."""
    if count < frames:
        return f"{source}: no face in {count} of {frames} frames; these show the place where it was last seen"
    return f"{source}: no face in any of its {frames} frames, so its middle was encoded (--crop none takes the whole picture)"


class _Writer(FileWriter):
    """Writes a stream's keyframes as they are made; one that is written counts as held by the peer."""

    def __init__(self, file: BinaryIO, stream: SenderStream) -> None:
        super().__init__(file)
        self._keyframes = stream.keyframes
        self._written: Keyframe | None = None

    def keyframes(self) -> None:
        """Write the newest keyframe, unless it is in the file already."""
        newest, slot = self._keyframes.newest, self._keyframes.slot
        if newest is not None and newest is not self._written:
            self.keyframe(slot, newest)
            self._written = newest
            self._keyframes.confirm(slot, newest.digest)


def _look_through(video: Path, stream: SenderStream, tick_ms: int) -> Scenes:
    """Find the scenes, and choose the first keyframe."""
    for tick in islice(file_ticks(video, tick_ms=tick_ms), CHOICE_TICKS_MAX):  # a small face may be found only after some ticks
        if stream.framing.see(tick)[1] == Face.TRACKED:
            break
    stream.framing.rewind()
    detector, mesh = BlazeFace(), FaceMesh()
    scenes = find_scenes(
        file_ticks(video, tick_ms=tick_ms), Framing(stream.config.crop, detector, mesh), KeyframeChoice(detector, mesh)
    )
    if scenes.first is not None:
        stream.keyframes.candidate(scenes.first)
        stream.keyframes.choose()
    return scenes


def _begin_scene(stream: SenderStream, crop: UInt8) -> None:
    """Use the keyframe that suits the scene, or a new one if none does."""
    gallery = stream.keyframes.gallery
    slot = slot_for(crop, {slot: keyframe for slot, keyframe in gallery.keyframes.items() if slot in gallery.held})
    if slot is None or not stream.keyframes.use(slot):
        stream.keyframes.set(crop)
    stream.keyframes.settle()


def encode_file(
    video: Path, out: Path, config: StreamConfig, progress: Progress = lambda _: None, refresh: FileRefresh | None = None
) -> Encoded:
    """Video file → ``.fw``. After a cut the keyframe is chosen again, unless ``config.keyframe`` is "first";
    ``refresh`` adds further keyframes.

    The file appears under its name only when it is complete. Raises ``OutputError`` for another name
    than ``.fw``, ``SourceError`` and ``OSError``.
    """
    check_name(out, ".fw")
    stream, tick_ms, scenes = SenderStream(config), TICK_MODES[config.tick_mode], Scenes()
    if config.keyframe == "auto":
        scenes = _look_through(video, stream, tick_ms)
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            writer, frames, faceless = _Writer(file, stream), 0, 0
            for number, tick in enumerate(file_ticks(video, tick_ms=tick_ms)):
                if number in scenes.cuts:
                    stream.framing.cut()
                if number in scenes.keyframes:
                    writer.keyframes()  # one that the refresh has set: it must be held before another is chosen
                    _begin_scene(stream, scenes.keyframes[number])
                    writer.keyframes()
                bundle = stream.bundle(tick)
                assert bundle is not None  # no tick of a file is left out
                writer.keyframes()
                writer.bundle(bundle)
                if bundle.picture is not None:
                    stream.pictures.acknowledge(bundle.number)
                if refresh:
                    refresh.after(stream, bundle)
                frames += len(tick.frames)
                faceless += len(tick.frames) if stream.face == Face.NONE else 0
                progress(frames)
            writer.end(frames)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return Encoded(stream.count, stream.lowres_psnr_db, frames, faceless)
