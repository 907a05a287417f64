"""When each frame of a video is shown: repairs missing or disordered time stamps, and fits frames to the 25 FPS grid."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av

from codec.media.timing import FRAME_RATE

GAP_MOST = 60.0
"""Longest gap in seconds between two pictures, or between two pieces of sound. A longer gap, or a time that goes back, is
a break in the file's clock: the pieces around it then follow each other directly."""


class _Order:
    """Counts how often one kind of time stamp does not increase."""

    def __init__(self) -> None:
        self.faults, self._last = 0, -math.inf

    def note(self, stamp: int | None) -> None:
        if stamp is not None:
            self.faults += stamp <= self._last
            self._last = stamp


def timed(frames: Iterable[av.VideoFrame], stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The stream's decoded frames, each with a ``pts`` and a ``time``.

    A container may store no presentation times (AVI); ``pts`` then rises and falls with the frames' order in the file. In
    that case the decoder's times (``dts``) are used, by the rule of FFmpeg's own tools. A raw stream has neither: its
    frames follow each other at its rate.
    """
    shown, stored = _Order(), _Order()
    unit = stream.time_base or Fraction(1, 1000)
    period = max(1, round(1 / (stream.average_rate or stream.guessed_rate or FRAME_RATE) / unit))
    newest = -period
    for frame in frames:
        shown.note(frame.pts)
        stored.note(frame.dts)
        pts = frame.pts if frame.dts is None or shown.faults <= stored.faults else None
        newest = next((stamp for stamp in (pts, frame.dts) if stamp is not None), newest + period)
        frame.pts, frame.time_base = newest, unit
        yield frame


def on_grid(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames that have a ``time``, repeated (the same object) or dropped so that there are 25 a second."""
    start, newest, at = 0.0, None, 0
    for frame in frames:
        assert frame.time is not None
        if newest is None:
            start = frame.time
        # Half a grid step of tolerance: a 25 FPS file with rounded times yields each of its frames once.
        index = int((frame.time - start) * FRAME_RATE + 0.5)
        if not at - FRAME_RATE <= index <= at + GAP_MOST * FRAME_RATE:
            start, index = frame.time - (at + 1) / FRAME_RATE, at + 1
        while newest is not None and at < index:
            yield newest
            at += 1
        newest = frame
    if newest is not None:
        yield newest
