"""Rendering threads. They take the newest frame from a slot, never from a queue, so that lag cannot grow."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from codec.media.types import UInt8
from models.runtime.upsampler import Upsampler
from receiver.tick_decoder import FrameInput

log = logging.getLogger(__name__)


Done = Callable[[FrameInput, UInt8], None]

STRIDES = {25: (2, 4, 10), 50: (1, 2, 4, 10)}
"""Strides on the 50 FPS grid, by the wanted rate: every frame, every second, fourth or tenth, which
is 50, 25, 12.5 or 5 FPS."""
FRAME = 0.020
"""Seconds between two frames of that grid."""
PATIENCE = 2.0
"""Seconds before a higher frame rate is tried again; doubled each time that it cannot be held."""
PATIENCE_MAX = 32.0
"""Upper limit of that wait, in seconds."""


class Pace:
    """Chooses the frame rate that rendering can hold. Times in seconds; ``now`` is a monotonic
    clock given by the caller.

    The rate is lowered when a frame, smoothed over some ten frames, takes longer than the rate allows.
    A higher one is tried after :data:`PATIENCE`, because only trying shows whether it can be held: a
    processor that rests between frames renders each more slowly.
    """

    def __init__(self, fps: int = 25) -> None:
        self.strides = STRIDES[fps]
        self.stride, self.seconds = self.strides[0], 0.0
        self._patience, self._changed = PATIENCE, 0.0

    def rendered(self, seconds: float, now: float) -> None:
        """A frame took ``seconds`` to render."""
        self.seconds = seconds if not self.seconds else self.seconds * 0.9 + seconds * 0.1
        at = self.strides.index(self.stride)
        since = now - self._changed
        if at + 1 < len(self.strides) and self.seconds > 1.05 * FRAME * self.stride and since > 0.5:
            # It failed soon after a rise: wait longer before the next try.
            self._patience = min(PATIENCE_MAX, self._patience * 2) if since < 3.0 else PATIENCE
            self.stride, self._changed = self.strides[at + 1], now
        elif at and since > self._patience and self.seconds < 1.1 * FRAME * self.strides[at - 1]:
            self.stride, self._changed = self.strides[at - 1], now


@dataclass
class RenderCount:
    """Frames rendered, dropped because a newer one came, and not rendered because of an error; and the
    smoothed time of one frame in seconds."""

    rendered: int = 0
    dropped: int = 0
    failed: int = 0
    seconds: float = 0.0


class Renderer(Protocol):
    """Renders one stream's frames off the event loop. Frames whose keyframe hasn't arrived are
    skipped."""

    count: RenderCount

    def set_keyframe(self, slot: int, rgb: UInt8) -> None: ...

    def submit(self, frame: FrameInput) -> bool:
        """Request a frame; one that still waits is dropped and counted. Returns False for a frame that won't be rendered:
        it lies between those that this machine can render."""

    def close(self) -> None: ...


MakeRenderer = Callable[[Done, asyncio.AbstractEventLoop], Renderer]
"""Makes a renderer that calls ``done`` on the loop with each rendered frame."""


class RenderThreads:
    """A :class:`Renderer` that runs each upsampler in a thread.

    Two frames on one core each take less time than one frame after the other on two cores: threads
    that share a frame wait for each other in every layer. A frame may therefore finish after a newer
    one; the presenter then discards it.
    """

    def __init__(
        self, upsamplers: Sequence[Upsampler], fps: int, done: Done, loop: asyncio.AbstractEventLoop
    ) -> None:  # fmt: skip
        """``fps``: 25 or 50. ``done`` is called on ``loop`` with each rendered frame, RGB (256, 256, 3)."""
        self._done, self._loop = done, loop
        self.count, self.pace = RenderCount(), Pace(fps)
        self._keyframes: dict[int, UInt8] = {}
        self._slot: FrameInput | None = None
        self._wake, self._closed = threading.Condition(), False
        self._threads = [
            threading.Thread(target=self._work, args=(u, len(upsamplers)), daemon=True, name="render") for u in upsamplers
        ]
        for thread in self._threads:
            thread.start()

    def set_keyframe(self, slot: int, rgb: UInt8) -> None:
        self._keyframes[slot] = rgb

    def submit(self, frame: FrameInput) -> bool:
        if frame.at % self.pace.stride:
            return False
        with self._wake:
            self.count.dropped += self._slot is not None
            self._slot = frame
            self._wake.notify()
        return True

    def _take(self) -> FrameInput | None:
        with self._wake:
            self._wake.wait_for(lambda: self._slot is not None or self._closed)
            frame, self._slot = self._slot, None
            return None if self._closed else frame

    def _work(self, upsampler: Upsampler, workers: int) -> None:
        current: UInt8 | None = None
        while (frame := self._take()) is not None:
            keyframe = self._keyframes.get(frame.slot)
            if keyframe is None:
                continue
            began = time.perf_counter()
            try:
                if keyframe is not current:
                    upsampler.set_identity(keyframe)
                    current, began = keyframe, time.perf_counter()
                rgb = upsampler.step(*frame.inputs)
            except Exception as error:  # memory may be short for a moment: the next frame may succeed
                if not self.count.failed:  # log it once: there may be fifty a second
                    log.error("a frame could not be rendered: %s", error, exc_info=error)
                self.count.failed += 1
                continue
            self._count(time.perf_counter() - began, workers)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._done, frame, rgb)

    def _count(self, seconds: float, workers: int) -> None:
        with self._wake:
            self.pace.rendered(seconds / workers, time.monotonic())
            self.count.seconds = self.pace.seconds * workers
            self.count.rendered += 1

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(5)
