"""``decode``: a ``.fw`` file → MP4, through the same decoder as a call."""

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from codec.bundle import Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.errors import CodecError, ContainerError
from codec.media.timing import RATE
from codec.speech import LOOKAHEAD
from models.runtime.upsampler import FRAMES, Interpolator, Upsampler
from receiver.outputs.video_file import VideoFile, check_name
from receiver.tick_decoder import TickDecoder
from receiver.timeline import Timeline
from receiver.trust import TrustMeter

DRAWN_MISSING = 5
"""Ticks without a bundle that are still drawn, one after the other; through a longer gap the last
frame is held."""
Progress = Callable[[int], object]
Record = StoredKeyframe | Bundle | End


def _begun(file: BinaryIO, source: Path) -> tuple[Record, Iterator[Record]]:
    """The first record, and what gives the others. Raises ``ContainerError``, which names the file."""
    try:
        first = next(records := read_file(file), None)
    except CodecError as error:
        raise ContainerError(f"{source}: {error}") from error
    if first is None:
        raise ContainerError(f"{source}: it holds no records")
    return first, records


def decode_file(
    source: Path, out: Path, weights: Path | None = None, device: str = "auto", progress: Progress = lambda _: None
) -> dict[str, float | None]:
    """``.fw`` → MP4. Gives counts: frames, ticks, errors; and the frames' consistency
    (:mod:`receiver.trust`), mean and lowest.

    A damaged file is decoded up to the damage and then reported. Raises ``ContainerError`` for what
    is no ``.fw`` file, ``OutputError`` for another name than ``.mp4``, and ``OSError``.
    """
    check_name(out, ".mp4")
    upsampler, decoder = Upsampler(weights, device), TickDecoder(Interpolator(weights))
    keyframes: dict[int, np.ndarray] = {}
    slot, number, total, damage, trust, timeline = None, 0, None, None, TrustMeter(), Timeline()
    part = out.with_name(out.name + ".part")
    with source.open("rb") as file:
        first, records = _begun(file, source)
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
                    decoder.set_keyframe(record.slot, record.keyframe.thumbnail, record.keyframe.points)
                    slot = None if slot == record.slot else slot
                elif record is not None:
                    decoder.arrived(record)
                    for place in timeline.ticks(record):
                        if not number:
                            video.sound(np.zeros(place.at_ms * RATE // 1000, np.float32))
                        tick = decoder.tick(place.at_ms, place.tick_ms, place.bundle, place.redundant)
                        number += 1
                        for frame in tick.frames:
                            if frame.slot != slot and frame.slot in keyframes:
                                upsampler.set_identity(keyframes[frame.slot])
                                slot = frame.slot
                            if slot is not None and (total is None or frame.number < total) and place.missing <= DRAWN_MISSING:
                                rgb = upsampler.step(*frame.inputs)
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
