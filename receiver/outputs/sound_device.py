"""A microphone or loudspeakers that may be unplugged and plugged in again: whoever uses them goes
on, with silence meanwhile."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from codec.media.timing import RATE

log = logging.getLogger(__name__)

DEAD = 1.5
"""Seconds in which a running device must have called back."""
LOOK = 0.5
"""Seconds between two looks at the device."""
LOOK_MOST = 10.0
"""Seconds between two attempts to open it again, at most, where another device is in use."""

Kind = Literal["microphone", "speakers"]
Callback = Callable[[Any, int], None]

_devices: set["SoundDevice"] = set()  # all that are in use; PortAudio lists devices anew only when none is open
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
    """What PortAudio is asked for: a number, a part of a name, or None for the default."""
    return int(name) if name is not None and name.isdecimal() else name or None


class SoundDevice:
    """One open device, 16 kHz mono, in pieces of 20 ms; a thread watches it and opens it again when it is gone."""

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
            except Exception:  # whatever PortAudio made of it: the next look may find it
                log.debug("%s: looking for the device failed", self.kind, exc_info=True)

    def _alive(self) -> bool:
        return self._stream is not None and self._stream.active and time.monotonic() - self._beat < DEAD

    def _find(self) -> None:
        """Open the device again where it is gone, if it is there. Raises :class:`SoundDeviceError`.

        PortAudio lists devices once, when it is started. To find one that is back it is started
        anew, with none in use: others that play or record are interrupted for a moment, and so it
        is done ever more seldom.
        """
        with _lock:  # another's watcher may just have this one closed
            if self._alive():
                return
            if not self.lost:
                log.warning("%s: the device is gone; it is looked for until it is back", self.kind)
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
                with contextlib.suppress(SoundDeviceError):  # its own watcher looks for it then
                    other._start()
            self._start()
        self.lost, self._looks = False, 0
        log.warning("%s: a device is there again", self.kind)

    def _end(self) -> None:
        with _lock:
            stream, self._stream = self._stream, None
            if stream is not None:
                _devices.discard(self)
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)

    def close(self) -> None:
        """Let go of the device."""
        self._stop.set()
        self._watcher.join(5)
        self._end()
