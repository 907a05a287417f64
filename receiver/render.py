"""The rendering thread: takes the newest frame from a slot, never a queue, so that lag cannot grow."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.runtime import Upsampler
from receiver.ticks import FrameInput

UInt8 = npt.NDArray[np.uint8]

Done = Callable[[FrameInput, UInt8], None]

STRIDES = (1, 2, 5)
"""Every frame, every second, every fifth: 25, 12.5 and 5 frames a second."""
FRAME = 0.040
FALL, RISE = 0.92, 0.70
"""Shares of the time between frames: slower than FALL of it renders fewer, faster than RISE of the next better rate more."""


@dataclass
class RenderCount:
    """Frames rendered, frames dropped because a newer one came, and the smoothed seconds of one."""

    rendered: int = 0
    dropped: int = 0
    seconds: float = 0.0


class RenderThread:
    """Runs the upsampler off the event loop. Keyframes are given by slot; frames whose keyframe isn't here are skipped."""

    def __init__(self, upsampler: Upsampler, done: Done, loop: asyncio.AbstractEventLoop) -> None:
        """``done`` is called on ``loop`` with each rendered frame, RGB (256, 256, 3)."""
        self._upsampler, self._done, self._loop = upsampler, done, loop
        self.count, self.stride = RenderCount(), 1
        self._keyframes: dict[int, UInt8] = {}
        self._current: UInt8 | None = None
        self._slot: FrameInput | None = None
        self._wake, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, daemon=True, name="render")
        self._thread.start()

    def set_keyframe(self, slot: int, rgb: UInt8) -> None:
        self._keyframes[slot] = rgb

    def submit(self, frame: FrameInput) -> None:
        """Ask for a frame; one that still waits is dropped and counted. Frames between strides are left out silently."""
        if frame.number % self.stride:
            return
        with self._wake:
            self.count.dropped += self._slot is not None
            self._slot = frame
            self._wake.notify()

    def _pace(self, seconds: float) -> None:
        count = self.count
        count.seconds = seconds if not count.seconds else count.seconds * 0.9 + seconds * 0.1
        at = STRIDES.index(self.stride)
        if at + 1 < len(STRIDES) and count.seconds > FALL * FRAME * self.stride:
            self.stride = STRIDES[at + 1]
        elif at and count.seconds < RISE * FRAME * STRIDES[at - 1]:
            self.stride = STRIDES[at - 1]

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._slot is not None or self._closed)
                frame, self._slot = self._slot, None
            if self._closed or frame is None:
                return
            keyframe = self._keyframes.get(frame.slot)
            if keyframe is None:
                continue
            began = time.perf_counter()
            if keyframe is not self._current:
                self._upsampler.set_identity(keyframe)
                self._current = keyframe
                began = time.perf_counter()
            rgb = self._upsampler.step(frame.pictures, frame.speech)
            self._pace(time.perf_counter() - began)
            self.count.rendered += 1
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._done, frame, rgb)

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(5)
