"""Live sources of pictures and sound: what a camera or microphone must offer, and the buffers
between a device and the tick."""

import threading
import time
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from codec.media.audio_queue import SoundQueue
from codec.media.files import file_frames
from codec.media.timing import RATE
from codec.media.types import Float32, UInt8


class VideoInput(Protocol):
    """A live picture source."""

    def latest(self) -> UInt8 | None:
        """The newest picture, RGB (H, W, 3), or None before the first."""

    def close(self) -> None: ...


class AudioInput(Protocol):
    """A live sound source."""

    def read(self, count: int) -> Float32:
        """``count`` samples; those that haven't arrived are silence."""

    def close(self) -> None: ...


class StillPicture:
    """A file of a single picture, such as a photograph, used like a camera that always shows it."""

    def __init__(self, picture: UInt8) -> None:
        """``picture``: RGB (H, W, 3)."""
        self._picture = picture

    @classmethod
    def of(cls, path: Path) -> "StillPicture | None":
        """None where the file holds more than one picture. Raises :class:`codec.media.files.SourceError`."""
        first, *more = islice(file_frames(path), 2)
        return None if more else cls(first)

    def latest(self) -> UInt8:
        return self._picture

    def close(self) -> None:
        pass


class SampleBuffer:
    """Buffers samples between a device's thread and the tick, so that sound is hardly older than the picture of the same tick.

    Of what came before the first read, only :data:`FIRST` is kept. What is left over at every read is
    removed. What is missing at a read is replaced by silence, and is left over at the next one. More
    than :data:`SLACK` is dropped at once.
    """

    LIMIT = RATE // 2
    FIRST = RATE * 40 // 1000
    """The first read leaves at most this many samples over."""
    SPARE = RATE * 30 // 1000
    """This many samples may be left over at every read: when a clock is a little off, a piece of
    20 ms arrives sometimes just before a read, sometimes just after."""
    SLACK = RATE * 120 // 1000
    """Any later read leaves at most this many samples over: sound servers deliver in pieces of up
    to a tenth of a second."""

    def __init__(self) -> None:
        self._lock, self._queue, self._begun = threading.Lock(), SoundQueue(self.SPARE), False
        self.dropped = self.missing = 0

    def write(self, samples: Float32) -> None:
        with self._lock:
            self._queue.put(samples)
            self.dropped += self._queue.forget(len(self._queue) - self.LIMIT)

    def read(self, count: int) -> Float32:
        with self._lock:
            self.dropped += self._queue.forget(len(self._queue) - count - (self.SLACK if self._begun else self.FIRST))
            self.dropped += self._queue.settle(len(self._queue) - count)
            self._begun, out = True, self._queue.take(count)
        self.missing += count - len(out)
        return np.pad(out, (0, count - len(out)))


class Freshest:
    """The newest picture of a live source, None when it is outdated, so that a dead camera isn't taken
    for a still face."""

    STALE = 1.0
    """Seconds."""

    def __init__(self) -> None:
        self._held: tuple[float, UInt8] | None = None

    def put(self, picture: UInt8) -> None:
        self._held = time.monotonic(), picture

    def get(self) -> UInt8 | None:
        held = self._held
        return held[1] if held and time.monotonic() - held[0] < self.STALE else None
