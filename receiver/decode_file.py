"""``decode``: a ``.fw`` file → MP4, through the same decoder as a call."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from codec.bundle import Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.errors import CodecError, ContainerError
from codec.media.timing import RATE, grid
from codec.media.types import UInt8
from codec.speech import LOOKAHEAD
from models.runtime.upsampler import FRAMES, Interpolator, Upsampler
from receiver.consistency import ConsistencyMeter
from receiver.outputs.base import GREY
from receiver.outputs.video_file import VideoFile, check_name
from receiver.tick_decoder import TickDecoder
from receiver.timeline import TimedTick, Timeline

DRAWN_MISSING = 5
"""Consecutive ticks without a bundle that are still rendered; for the rest of a longer gap the last
frame is held."""
Progress = Callable[[int], object]
Record = StoredKeyframe | Bundle | End


def _records(file: BinaryIO, source: Path) -> Iterator[Record | CodecError]:
    """The records, and an error in place of each bad one; a :class:`ContainerError` is the last. Raises ``ContainerError``,
    which names the file, if it is not a ``.fw`` file."""
    try:
        records = read_file(file)
    except ContainerError as error:
        raise ContainerError(f"{source}: {error}") from error
    while True:
        try:
            yield next(records)
        except StopIteration:
            return
        except CodecError as error:
            yield error


def _length(file: BinaryIO, source: Path) -> int | None:
    """The number of frames in the end record, None without one or if ``file`` cannot be read twice, such as a pipe. Then
    rewinds."""
    if not file.seekable():
        return None
    found = next((record.frames for record in _records(file, source) if isinstance(record, End)), None)
    file.seek(0)
    return found


class _VideoRenderer:
    """Renders ticks into a video."""

    def __init__(self, video: VideoFile, upsampler: Upsampler, decoder: TickDecoder, progress: Progress) -> None:
        self.video, self.decoder, self.consistency = video, decoder, ConsistencyMeter()
        self.ticks = 0
        self._upsampler, self._progress = upsampler, progress
        self._keyframes: dict[int, UInt8] = {}
        self._slot: int | None = None

    def keyframe(self, stored: StoredKeyframe) -> None:
        """Take in a keyframe record."""
        keyframe = stored.keyframe
        self._keyframes[stored.slot] = keyframe.rgb
        self.decoder.set_keyframe(stored.slot, keyframe.thumbnail, keyframe.points)
        self._slot = None if self._slot == stored.slot else self._slot

    def tick(self, place: TimedTick, total: int | None) -> None:
        """Write a tick: its sound, and its frames whose number is below ``total``."""
        if not self.ticks:
            self.video.sound(np.zeros(place.at_ms * RATE // 1000, np.float32))
        tick = self.decoder.tick(place.at_ms, place.tick_ms, place.bundle, place.redundant)
        self.ticks += 1
        first = grid(place.at_ms, place.tick_ms).start
        if tick.hidden and (total is None or first < total):
            self.video.frame(first, GREY)
        for frame in tick.frames:
            if frame.slot != self._slot and frame.slot in self._keyframes:
                self._upsampler.set_identity(self._keyframes[frame.slot])
                self._slot = frame.slot
            if self._slot is not None and (total is None or frame.number < total) and place.missing <= DRAWN_MISSING:
                rgb = self._upsampler.step(*frame.inputs)
                self.consistency.update(rgb, frame.pictures[2])
                self.video.frame(frame.number, rgb)
                self._progress(self.video.frames)
        self.video.sound(tick.sound)


def decode_file(
    source: Path, out: Path, weights: Path | None = None, device: str = "auto", progress: Progress = lambda _: None
) -> dict[str, float | None]:
    """``.fw`` → MP4. Returns counts (frames, ticks, errors) and the frames' mean and lowest consistency
    (:mod:`receiver.consistency`).

    Records with bad contents are skipped, and a damaged file is decoded up to the damage; for both, ``ContainerError`` is
    raised after the video was written. Also raises ``ContainerError`` for a file that is not ``.fw`` or has no picture,
    ``OutputError`` for another name than ``.mp4``, and ``OSError``.
    """
    check_name(out, ".mp4")
    upsampler, decoder = Upsampler(weights, device), TickDecoder(Interpolator(weights))
    damage, timeline = None, Timeline()
    part = out.with_name(out.name + ".part")
    with source.open("rb") as file:
        total, records = _length(file, source), _records(file, source)
        first = next(records, None)
        video = VideoFile(part, lag=LOOKAHEAD)
        try:
            drawn = _VideoRenderer(video, upsampler, decoder, progress)
            for record in chain([first] if first else [], records):
                if isinstance(record, CodecError):
                    damage = record
                elif isinstance(record, End):
                    total = record.frames
                elif isinstance(record, StoredKeyframe):
                    drawn.keyframe(record)
                elif isinstance(record, Bundle) and not record.only_reports:
                    decoder.arrived(record)
                    for place in timeline.ticks(record):
                        drawn.tick(place, total)
            if total is not None:  # it comes from the file and may be wrong: hold no longer than its ticks can last
                video.hold(min(total, drawn.ticks * FRAMES))
            video.close()
            if not video.frames:
                raise ContainerError(f"{source}: {damage or 'it holds no pictures'}")
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    if damage:
        raise ContainerError(f"{damage}; what came before was written to {out}")
    figures = {"frames": video.frames, "ticks": drawn.ticks, "errors": decoder.errors}
    return figures | {"consistency_db": drawn.consistency.mean_db, "consistency_lowest_db": drawn.consistency.lowest_db}
