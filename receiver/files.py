"""``encode`` and ``decode``: a video file ↔ a ``.fw`` file, through the same bundles as a call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np

from codec.accounting import BitCount
from codec.bundle import RUNGS, Bundle, Face
from codec.container import End, FileWriter, StoredKeyframe, read_file
from codec.errors import CodecError, ContainerError
from models.runtime import FRAMES, Interpolator, Upsampler
from receiver.file_refresh import FileRefresh
from receiver.ticks import TickDecoder
from receiver.timeline import Timeline
from receiver.trust import TrustMeter
from receiver.video_file import VideoFile, check_name
from sender.sources import file_ticks
from sender.speech import LOOKAHEAD, RATE
from sender.stream import CHOICE_TICKS, CHOICE_TICKS_MAX, SenderStream, StreamConfig

DRAWN_MISSING = 5
"""Ticks without a bundle that are still drawn, one after the other; through a longer gap the last frame is held."""
Progress = Callable[[int], object]
Record = StoredKeyframe | Bundle | End


@dataclass(frozen=True)
class Encoded:
    """What came of a video: its bits, the 8×8 pictures' PSNR in dB against the unquantised, its frames (25 a second), and how
    many of them lay in ticks in which no face was found."""

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

    The file appears under its name only when it is whole. Raises ``OutputError`` for another name than ``.fw``, ``SourceError``
    and ``OSError``.
    """
    check_name(out, ".fw")
    stream, tick_ms = SenderStream(config), RUNGS[config.rung]
    if config.keyframe == "auto":
        for number, tick in enumerate(islice(file_ticks(video, tick_ms=tick_ms), CHOICE_TICKS_MAX)):
            stream.candidates(tick)
            if number + 1 >= CHOICE_TICKS and stream.choice and stream.choice.has_face:
                break
        stream.choose()
        stream.tracker.rewind()
        stream.crop = None
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            writer, frames, faceless, written = FileWriter(file), 0, 0, None
            for tick in file_ticks(video, tick_ms=tick_ms):
                bundle = stream.bundle(tick)
                assert bundle is not None  # a file leaves no tick out
                if stream.keyframe is not written and stream.keyframe is not None:
                    writer.keyframe(stream.slot, stream.keyframe)
                    written = stream.keyframe
                    stream.confirm(stream.slot, written.digest)
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


def decode_file(
    source: Path, out: Path, weights: Path | None = None, device: str = "auto", progress: Progress = lambda _: None
) -> dict[str, float | None]:
    """``.fw`` → MP4. Gives counts: frames, ticks, errors; and the frames' consistency (:mod:`receiver.trust`), mean and lowest.

    A damaged file is decoded up to the damage and then reported. Raises ``ContainerError`` for what is no ``.fw`` file,
    ``OutputError`` for another name than ``.mp4``, and ``OSError``.
    """
    check_name(out, ".mp4")
    upsampler, decoder = Upsampler(weights, device), TickDecoder(Interpolator(weights))
    keyframes: dict[int, np.ndarray] = {}
    slot, number, total, damage, trust, timeline = None, 0, None, None, TrustMeter(), Timeline()
    part = out.with_name(out.name + ".part")
    with source.open("rb") as file:
        records = read_file(file)
        first = next(records, None)
        if first is None:
            raise ContainerError("file holds no records")
        video = VideoFile(part, lag=LOOKAHEAD)
        try:
            # One record ahead, because the last tick's frames are cut to the number that the end record tells.
            for record, following in pairwise(chain(_until_damage(first, records), [None])):
                if isinstance(following, End):
                    total = following.frames
                if isinstance(record, CodecError):
                    damage = record
                elif isinstance(record, End):
                    continue
                elif isinstance(record, StoredKeyframe):
                    keyframes[record.slot] = record.keyframe.rgb
                    decoder.set_keyframe(record.slot, record.keyframe.own)
                    slot = None if slot == record.slot else slot
                elif record is not None:
                    decoder.arrived(record)
                    for place in timeline.slots(record):
                        if not number:
                            video.sound(np.zeros(place.at_ms * RATE // 1000, np.float32))
                        tick = decoder.tick(place.at_ms, place.tick_ms, place.bundle, place.again)
                        number += 1
                        for frame in tick.frames:
                            if frame.slot != slot and frame.slot in keyframes:
                                upsampler.set_identity(keyframes[frame.slot])
                                slot = frame.slot
                            if slot is not None and (total is None or frame.number < total) and place.missing <= DRAWN_MISSING:
                                rgb = upsampler.step(frame.pictures, frame.speech, frame.detail)
                                trust.update(rgb, frame.pictures[2])
                                video.frame(frame.number, rgb)
                                progress(video.frames)
                        video.sound(tick.sound)
            if total is not None:  # which comes from the file: no more is held than its ticks can account for
                video.hold(min(total, number * FRAMES))
            video.close()
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    if damage:
        raise ContainerError(f"{damage}; what came before it was written to {out}")
    figures = {"frames": video.frames, "ticks": number, "errors": decoder.errors}
    return figures | {"consistency_db": trust.mean_db, "consistency_lowest_db": trust.lowest_db}


def _until_damage(first: Record, records: Iterator[Record]) -> Iterator[Record | CodecError]:
    """The records, and at the end the error that stopped them, if one did."""
    yield first
    try:
        yield from records
    except CodecError as error:
        yield error
