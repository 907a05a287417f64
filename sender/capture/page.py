"""Camera and microphone of a browser window on this machine, which passes their pictures and sound on.

A browser has what no library here has: an echo canceller that knows what its own speakers play,
a choice of devices, and a switch to another device when one is unplugged.
"""

import av

from codec.media.timing import RATE
from codec.media.types import Float32, Int16, UInt8
from sender.capture.inputs import Freshest, SampleBuffer

RATES = range(8_000, 192_001)
"""Sampling rates that are accepted, in Hz."""


class PushedVideo:
    """The newest picture that was put in, None when it is outdated."""

    def __init__(self) -> None:
        self._newest = Freshest()

    def put(self, picture: UInt8) -> None:
        """A picture, RGB (H, W, 3)."""
        self._newest.put(picture)

    def latest(self) -> UInt8 | None:
        return self._newest.get()

    def close(self) -> None:
        pass


class PushedSound:
    """Sound that was put in, at any rate."""

    def __init__(self) -> None:
        self._buffer = SampleBuffer()
        self._rate, self._resampler = RATE, self._make()

    @staticmethod
    def _make() -> av.AudioResampler:
        return av.AudioResampler(format="flt", layout="mono", rate=RATE)

    def put(self, samples: Int16, rate: int) -> None:
        """Mono samples (N,) at ``rate`` Hz, one of :data:`RATES`. Raises ``ValueError`` for any other rate."""
        if rate not in RATES:
            raise ValueError(f"a sampling rate of {rate} Hz is not supported")
        if rate != self._rate:
            self._rate, self._resampler = rate, self._make()
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for piece in self._resampler.resample(frame):
            self._buffer.write(piece.to_ndarray()[0])

    def read(self, count: int) -> Float32:
        return self._buffer.read(count)

    def close(self) -> None:
        pass
