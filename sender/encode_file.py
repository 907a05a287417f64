"""``encode``: a video file → a ``.fw`` file, through the same bundles as a call."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from codec.accounting import BitCount
from codec.bundle import TICK_MODES, Face
from codec.container import FileWriter
from receiver.decode_file import Progress
from receiver.outputs.video_file import check_name
from sender.capture.sources import file_ticks
from sender.file_refresh import FileRefresh
from sender.keyframes.outgoing import CHOICE_TICKS, CHOICE_TICKS_MAX
from sender.stream import SenderStream, StreamConfig


@dataclass(frozen=True)
class Encoded:
    """What came of a video: its bits, the 8×8 pictures' PSNR in dB against the unquantised, its
    frames (25 a second), and how many of them lay in ticks in which no face was found."""

    count: BitCount
    lowres_psnr_db: float
    frames: int
    faceless_frames: int


def without_face(source: Path, count: int, frames: int) -> str:
    """A sentence on frames that showed no face, and on what was sent of them."""
    if count < frames:
        return f"{source}: no face in {count} of {frames} frames, which show where it was last"
    return f"{source}: no face in any of its {frames} frames, so its middle was encoded (--crop none takes the whole picture)"


def encode_file(
    video: Path, out: Path, config: StreamConfig, progress: Progress = lambda _: None, refresh: FileRefresh | None = None
) -> Encoded:
    """Video file → ``.fw``. ``refresh`` brings other keyframes.

    The file appears under its name only when it is whole. Raises ``OutputError`` for another name
    than ``.fw``, ``SourceError`` and ``OSError``.
    """
    check_name(out, ".fw")
    stream, tick_ms = SenderStream(config), TICK_MODES[config.tick_mode]
    if config.keyframe == "auto":
        for number, tick in enumerate(islice(file_ticks(video, tick_ms=tick_ms), CHOICE_TICKS_MAX)):
            stream.candidates(tick)
            if number + 1 >= CHOICE_TICKS and stream.keyframes.choice and stream.keyframes.choice.has_face:
                break
        stream.keyframes.choose()
        stream.framing.rewind()
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            writer, frames, faceless, written = FileWriter(file), 0, 0, None
            for tick in file_ticks(video, tick_ms=tick_ms):
                bundle = stream.bundle(tick)
                assert bundle is not None  # a file leaves no tick out
                if stream.keyframes.newest is not written and stream.keyframes.newest is not None:
                    writer.keyframe(stream.keyframes.slot, stream.keyframes.newest)
                    written = stream.keyframes.newest
                    stream.keyframes.confirm(stream.keyframes.slot, written.digest)
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
