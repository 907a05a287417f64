"""A buffer for sound between two clocks: the sound device's and the tick's."""

from collections import deque

import numpy as np

from codec.media.timing import RATE
from codec.media.types import Float32


class SoundQueue:
    """A FIFO of samples that removes a lasting surplus, cross-faded. Not thread-safe.

    The surplus is measured once a tick. What remained at each of the last :attr:`LOOKS` ticks only
    adds delay; at most 10 ms of it are removed a tick.
    """

    LOOKS = 25
    STEP = RATE * 10 // 1000
    FADE = RATE * 5 // 1000

    def __init__(self, spare: int) -> None:
        """``spare``: samples of the surplus that are never removed."""
        self._spare, self._samples = spare, np.zeros(0, np.float32)
        self._left: deque[int] = deque(maxlen=self.LOOKS)

    def __len__(self) -> int:
        return len(self._samples)

    def put(self, samples: Float32) -> None:
        """Append mono samples (N,)."""
        self._samples = np.concatenate([self._samples, samples])

    def take(self, count: int) -> Float32:
        """Remove and return the oldest ``count`` samples, or all if there are fewer."""
        out, self._samples = self._samples[:count], self._samples[count:]
        return out

    def forget(self, extra: int) -> int:
        """Drop the oldest ``extra`` samples at once, none if ``extra`` is negative; returns how many."""
        if extra <= 0:
            return 0
        self._samples = self._samples[extra:]
        self._left.clear()
        return extra

    def settle(self, left: int) -> int:
        """This tick's measurement: the surplus is ``left`` samples. Returns how many samples were removed."""
        self._left.append(max(0, left))
        extra = min(min(self._left) - self._spare, self.STEP)
        if len(self._left) < self.LOOKS or extra <= 0 or len(self) < extra + self.FADE:
            return 0
        share = np.linspace(0, 1, self.FADE, dtype=np.float32)
        before, after = self._samples[: self.FADE], self._samples[extra : extra + self.FADE]
        self._samples = np.concatenate([before * (1 - share) + after * share, self._samples[extra + self.FADE :]])
        self._left = deque((n - extra for n in self._left), self.LOOKS)
        return extra
