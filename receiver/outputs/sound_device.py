"""A microphone or loudspeakers that may be unplugged and plugged in again: the code that uses them
continues, with silence meanwhile."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from codec.media.timing import RATE

log = logging.getLogger(__name__)

DEAD = 1.5
"""A running device must call back within this many seconds."""
LOOK = 0.5
"""Seconds between two checks of the device."""
LOOK_MOST = 10.0
"""Maximum time between two attempts to reopen it while another device is in use, in seconds."""

Kind = Literal["microphone", "speakers"]
Callback = Callable[[Any, int], None]

_devices: set["SoundDevice"] = set()  # all that are in use; PortAudio lists devices again only when none is open
_lock = threading.RLock()


class SoundDeviceError(RuntimeError):
    """A device can't be opened; the message is one line for the user."""


def _library() -> Any:
    try:
        import sounddevice
    except OSError as error:
        raise SoundDeviceError("PortAudio is missing: install it (Debian: apt-get install libportaudio2)") from error
    return sounddevice


def _named(name: str | None) -> str | int | None:
    """The device as PortAudio takes it: a number, a part of a name, or None for the default."""
    return int(name) if name is not None and name.isdecimal() else name or None


class SoundDevice:
    """One open device, 16 kHz mono, in pieces of 20 ms; a thread watches it and reopens it when it was unplugged."""

    def __init__(self, kind: Kind, name: str | None, callback: Callback) -> None:
        """``name``: a part of the device's name or its number as ``python -m sounddevice`` lists
        them; None: the default. ``callback(samples, count)`` runs in the device's thread, with
        float32 (count, 1) to read or to fill.

        Raises :class:`SoundDeviceError`.
        """
        self.kind, self._name, self._callback = kind, _named(name), callback
        self._beat = 0.0
        self.lost, self._look_at, self._looks = False, 0.0, 0
        self._stream: Any = None
        self._start()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name=kind)
        self._watcher.start()

    def _start(self) -> None:
        library = _library()
        make = library.InputStream if self.kind == "microphone" else library.OutputStream
        with _lock:
            stream = None
            try:
                stream = make(
                    samplerate=RATE, channels=1, dtype="float32", device=self._name, blocksize=RATE // 50, latency="low",
                    callback=self._called,
                )  # fmt: skip
                stream.start()
            except (library.PortAudioError, ValueError) as error:
                if stream is not None:
                    stream.close(ignore_errors=True)
                opened = "microphone cannot" if self.kind == "microphone" else "speakers cannot"
                raise SoundDeviceError(f"{opened} be opened: {error}") from error
            self._stream, self._beat = stream, time.monotonic()
            _devices.add(self)

    def _called(self, samples: Any, count: int, _time: object, _status: object) -> None:
        self._beat = time.monotonic()
        self._callback(samples, count)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self._find()
            except Exception:  # PortAudio may fail in any way, and the next attempt may succeed
                log.debug("%s: looking for the device failed", self.kind, exc_info=True)

    def _alive(self) -> bool:
        return self._stream is not None and self._stream.active and time.monotonic() - self._beat < DEAD

    def _find(self) -> None:
        """Reopen the device if it was lost and is back. Raises :class:`SoundDeviceError`.

        PortAudio lists devices only when it starts. To find one that is back, it must be restarted
        with none in use. That interrupts other devices for a moment, so it is done less and less
        often.
        """
        with _lock:  # another device's watcher may just have closed this one
            if self._alive():
                return
            if not self.lost:
                log.warning("%s: the device is gone; trying to reopen it", self.kind)
                self.lost = True
            self._end()
            others = set(_devices)
            if others and time.monotonic() < self._look_at:
                return
            self._look_at = time.monotonic() + min(LOOK * 2 ** min(self._looks, 10), LOOK_MOST)
            self._looks += 1
            for other in others:
                other._end()
            library = _library()
            library._terminate()
            library._initialize()
            for other in others:
                with contextlib.suppress(SoundDeviceError):  # its own watcher then reopens it
                    other._start()
            self._start()
        self.lost, self._looks = False, 0
        log.warning("%s: a device is available again", self.kind)

    def _end(self) -> None:
        with _lock:
            stream, self._stream = self._stream, None
            if stream is not None:
                _devices.discard(self)
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)

    def close(self) -> None:
        """Release the device."""
        self._stop.set()
        self._watcher.join(5)
        self._end()
