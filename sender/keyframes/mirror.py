"""The refresh of a live stream, in a separate thread: what is sent and shown must never wait for it."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from codec.bundle import NO_CAMERA, Bundle
from codec.media.types import UInt8
from sender.keyframes.gallery import Held
from sender.keyframes.refresh import Advice, Refresh

log = logging.getLogger(__name__)


BEHIND = 2
"""Ticks that may wait; if more do, they are decoded but not rendered until the thread has caught up."""
NICENESS = 10
"""Nice value of the thread, and of those that its networks start."""
PAUSE_MS = 5_000
"""Milliseconds between two keyframes that are sent: each must first prove its worth."""


def _yield_to_others() -> None:
    """Lower this thread's priority, on Linux, where a single thread can have its own nice value."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


class Mirror:
    """Runs :class:`Refresh` in a background thread: :meth:`tick` queues work, :meth:`advice` returns the latest advice once."""

    def __init__(self, make: Callable[[], Refresh]) -> None:
        """``make`` is called in the mirror's thread, so that threads it starts get its priority; ticks wait until it returns."""
        self.refresh: Refresh | None = None
        self._pool = ThreadPoolExecutor(1, "mirror", initializer=_yield_to_others)
        self._waiting = 0
        self._advice: Advice | None = None
        self._sent_ms = 0
        self._hidden = 0  # ticks with the camera off: advice from before them is void
        self._pool.submit(self._open, make)

    def _open(self, make: Callable[[], Refresh]) -> None:
        try:
            self.refresh = make()
        except Exception:  # the call works without it
            log.exception("the mirror's networks could not be loaded: the keyframe stays")

    @property
    def switched(self) -> int:
        """How often the stream switched back to a keyframe that the peer held."""
        return self.refresh.count.switched if self.refresh else 0

    def tick(self, at_ms: int, tick_ms: int, bundle: Bundle | None, crop: UInt8 | None, held: Held) -> None:
        """As :meth:`Refresh.tick`; returns at once."""
        if bundle is not None and bundle.face in NO_CAMERA:
            self._hidden += 1
            self._advice = None
        self._waiting += 1
        self._pool.submit(self._work, at_ms, tick_ms, bundle, crop, held, self._hidden)

    def _work(self, at_ms: int, tick_ms: int, bundle: Bundle | None, crop: UInt8 | None, held: Held, hidden: int) -> None:
        self._waiting -= 1
        if self.refresh is None:
            return
        if self._waiting > BEHIND or self._advice is not None:
            crop = None
        try:
            found = self.refresh.tick(at_ms, tick_ms, bundle, crop, held.limited(at_ms - self._sent_ms >= PAUSE_MS))
        except Exception:  # the call continues with its current keyframe
            log.exception("the tick at %d ms could not be mirrored", at_ms)
            return
        if found and hidden == self._hidden:
            self._sent_ms = at_ms if found.keyframe else self._sent_ms
            self._advice = found

    def advice(self) -> Advice | None:
        """What to do before the next picture; each advice is returned once."""
        found, self._advice = self._advice, None
        return found

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
