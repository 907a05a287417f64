"""A microphone or loudspeakers that may be unplugged and plugged in again: whoever uses them goes on, with silence meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from sender.speech import RATE

log = logging.getLogger("facewire.sound")

DEAD = 1.5
"""Seconds in which a running device must have called back."""
LOOK = 0.5
"""Seconds between two looks at it, and between two tries to open it again."""

Kind = Literal["microphone", "speakers"]
Callback = Callable[[Any, int], None]

_open = 0
_lock = threading.Lock()


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
        """``name``: a part of the device's name or its number as ``python -m sounddevice`` lists them; None: the default.
        ``callback(samples, count)`` runs in the device's thread, with float32 (count, 1) to read or to fill.

        Raises :class:`SoundDeviceError`.
        """
        self.kind, self._name, self._callback = kind, _named(name), callback
        self._beat = 0.0
        self.lost = False
        self._stream: Any = None
        self._start()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name=kind)
        self._watcher.start()

    def _start(self) -> None:
        global _open
        library = _library()
        make = library.InputStream if self.kind == "microphone" else library.OutputStream
        with _lock:
            try:
                stream = make(
                    samplerate=RATE, channels=1, dtype="float32", device=self._name, blocksize=RATE // 50, latency="low",
                    callback=self._called,
                )  # fmt: skip
                stream.start()
            except (library.PortAudioError, ValueError) as error:
                opened = "microphone cannot" if self.kind == "microphone" else "speakers cannot"
                raise SoundDeviceError(f"{opened} be opened: {error}") from error
            self._stream, self._beat = stream, time.monotonic()
            _open += 1

    def _called(self, samples: Any, count: int, _time: object, _status: object) -> None:
        self._beat = time.monotonic()
        self._callback(samples, count)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            if self._stream is not None and self._stream.active and time.monotonic() - self._beat < DEAD:
                continue
            if not self.lost:
                log.warning("%s: the device is gone; it is looked for until it is back", self.kind)
                self.lost = True
            self._end()
            self._look_again()
            try:
                self._start()
            except SoundDeviceError:
                continue
            self.lost = False
            log.warning("%s: a device is there again", self.kind)

    def _look_again(self) -> None:
        """PortAudio lists devices once, when it is started; it may be started anew while nothing of it is in use."""
        library = _library()
        with _lock:
            if not _open:
                library._terminate()
                library._initialize()

    def _end(self) -> None:
        global _open
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with _lock:
            try:
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)
            finally:
                _open -= 1

    def close(self) -> None:
        """Let go of the device."""
        self._stop.set()
        self._watcher.join(5)
        self._end()
