"""Cameras and microphones of this machine; one that is unplugged delivers nothing, and is used again when it is back."""

import threading
import time
from fractions import Fraction

import cv2
import numpy as np

from codec.media.files import SourceError
from codec.media.frames import square_size
from codec.media.types import Float32, UInt8
from receiver.outputs.sound_device import SoundDevice, SoundDeviceError
from sender.capture.inputs import Freshest, SampleBuffer

DEAD = 1.0
"""Seconds without a picture after which a camera is reopened, and between two attempts."""


class Camera:
    """A camera by number, read in a thread; only the newest picture is kept. Raises :class:`SourceError`."""

    def __init__(self, index: int | str) -> None:
        """``index``: 0 for ``cam0``, or anything else that OpenCV can open."""
        self._index = index
        self._capture = self._open()
        if self._capture is None:
            raise SourceError(f"camera cam{index} cannot be opened: is it connected, and free?")
        self._newest = Freshest()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="camera")
        self._thread.start()

    def _open(self) -> cv2.VideoCapture | None:
        log = cv2.utils.logging
        log.setLogLevel(log.LOG_LEVEL_ERROR)  # a missing camera is reported by Camera itself
        capture = cv2.VideoCapture(self._index)
        if not capture.isOpened():
            capture.release()
            return None
        capture.set(cv2.CAP_PROP_FPS, 30)
        return capture

    def _work(self) -> None:
        read = time.monotonic()
        while not self._stop.is_set():
            good, bgr = self._capture.read() if self._capture is not None else (False, None)
            if good and bgr is not None:
                read = time.monotonic()
                self._newest.put(self._picture(bgr))
                continue
            self._stop.wait(0.05)
            if time.monotonic() - read > DEAD:
                if self._capture is not None:
                    self._capture.release()
                self._capture, read = self._open(), time.monotonic()
        if self._capture is not None:
            self._capture.release()

    def _picture(self, bgr: np.ndarray) -> UInt8:
        """The picture as RGB, resized to square pixels if the driver reports others."""
        assert self._capture is not None
        wide, high = (round(self._capture.get(p)) for p in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        size = square_size(bgr.shape[1], bgr.shape[0], Fraction(wide, high) if wide > 0 and high > 0 else None)
        if size != (bgr.shape[1], bgr.shape[0]):
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)

    def latest(self) -> UInt8 | None:
        return self._newest.get()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)


class Microphone:
    """The default or a named input device. Raises :class:`SourceError`."""

    def __init__(self, name: str | None = None) -> None:
        """``name``: see :class:`receiver.outputs.sound_device.SoundDevice`."""
        self._buffer = SampleBuffer()
        try:
            self._device = SoundDevice("microphone", name, lambda samples, _: self._buffer.write(samples[:, 0].copy()))
        except SoundDeviceError as error:
            raise SourceError(str(error)) from error

    def read(self, count: int) -> Float32:
        return self._buffer.read(count)

    def close(self) -> None:
        self._device.close()
