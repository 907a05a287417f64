"""A call's sound on loudspeakers."""

import threading

import numpy as np

from codec.media.audio_queue import SoundQueue
from codec.media.timing import RATE
from codec.media.types import Float32, UInt8
from receiver.outputs.sound_device import SoundDevice, SoundDeviceError
from receiver.outputs.video_file import OutputError

DEVICE_SLACK = 0.150
"""Seconds: sound servers take what they play in pieces of up to about a tenth of a second."""


class PlayBuffer:
    """Buffers sound between ticks and a device that takes it in small pieces; a gap becomes silence, an
    excess is cut and counted.

    When a tick's sound is due, the sound before it should have been played. What is left of that beyond
    ``slack`` would stay as delay, so it is cut. What is left at every tick, as after a gap, only adds
    delay, too; it is removed with a cross-fade.
    """

    SPARE = RATE * 10 // 1000
    """Samples that may be left at every tick."""

    def __init__(self, slack: float = 0.060) -> None:
        """``slack``: seconds of sound that may be left because a reader takes large pieces."""
        self.slack = round(RATE * slack)
        self._lock, self._queue = threading.Lock(), SoundQueue(self.SPARE)
        self.gaps = self.cut = 0

    def write(self, samples: Float32) -> None:
        with self._lock:
            left = len(self._queue)
            self._queue.put(samples)
            self.cut += self._queue.forget(left - self.slack) + self._queue.settle(left)

    def read(self, count: int) -> Float32:
        with self._lock:
            out = self._queue.take(count)
        self.gaps += count - len(out)
        return np.pad(out, (0, count - len(out)))


class Speakers:
    """The default or a named sound device. Raises :class:`OutputError`."""

    smooth = False

    def __init__(self, name: str | None = None) -> None:
        """``name``: see :class:`receiver.outputs.sound_device.SoundDevice`."""
        self._buffer = PlayBuffer(DEVICE_SLACK)
        try:
            self._device = SoundDevice("speakers", name, self._fill)
        except SoundDeviceError as error:
            raise OutputError(str(error)) from error

    def _fill(self, out: Float32, count: int) -> None:
        out[:, 0] = self._buffer.read(count)

    def frame(self, number: int, rgb: UInt8) -> None:
        pass

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        self._buffer.write(stretched)

    def close(self) -> None:
        self._device.close()
