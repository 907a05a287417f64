"""What is shown and heard, and when: a tick's frames go to the renderer and, once rendered, to the outputs at their time. In
place of a frame that isn't rendered by then another one is warped (:mod:`receiver.motion_compensation`)."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from codec.media.timing import grid
from codec.media.types import Float32, UInt8
from receiver.consistency import ConsistencyMeter
from receiver.motion_compensation import FARTHEST, can_warp, warped_frame
from receiver.outputs.base import GREY, Output
from receiver.render import MakeRenderer
from receiver.tick_decoder import FrameInput, TickOutput, halfway

EARLY = 0.012
"""Seconds by which sound is output before its picture's time: Opus delays sound by 6.5 ms, and without
this lead pictures were 10 ms ahead of it (``bench.calls.soak``)."""
GRACE = 0.02
"""Seconds that a frame which is being rendered may be late, before another one is warped in its place."""
BUSY = 0.02
"""A machine that starts to warp a frame later than this, in seconds, is busy: frames are then at least :data:`RARER` apart."""
RARER = 0.1
DRAWN_KEPT = 3
"""Rendered frames kept to warp others from."""
DUE_KEPT = 120
"""Frames whose time of presentation is remembered."""


class Presenter:
    """Create it inside a running event loop: what is due is scheduled there.

    Attributes:
        delays: seconds by which the newest frames were shown late.
        consistency: how well the frames agree with what was sent.
        on_shown, on_heard: called with every frame (number, picture, time) and every tick's sound.
    """

    def __init__(self, render: MakeRenderer, outputs: list[Output], double: bool) -> None:
        """``double``: also render a frame between each two, for outputs that are ``smooth``."""
        self._loop = asyncio.get_running_loop()
        self.render, self.outputs, self._double = render(self._rendered, self._loop), outputs, double
        self.on_shown: Callable[[int, UInt8, float], None] | None = None
        self.on_heard: Callable[[Float32, float], None] | None = None
        self.consistency = ConsistencyMeter()
        self.delays: deque[float] = deque(maxlen=499)
        self._shown: deque[float] = deque(maxlen=200)
        self._drawn_at: deque[float] = deque(maxlen=200)
        self._due: dict[int, float] = {}
        self._drawn: deque[tuple[FrameInput, UInt8]] = deque(maxlen=DRAWN_KEPT)
        self._pool: Executor = ThreadPoolExecutor(1, "move")
        self._moving = self._closed = False
        self._hidden, self._visible_from = False, 0
        self._before: FrameInput | None = None
        self._small: Float32 | None = None

    def restart(self) -> None:
        """A new stream begins: frames of the one before must not hide those of the next."""
        self._visible_from = 0
        self._due.clear()
        self._drawn.clear()

    def lead(self) -> float:
        """Seconds before its time at which a tick is decoded: a little less than rendering takes.

        A tick's first frame is then some ms late, which nobody notices, and all other frames and
        sound are played earlier.
        """
        return min(max(self.render.count.seconds * 0.9, 0.02), 0.12) + 0.004

    def present(self, at_ms: int, length: int, due: float, filled: Float32, output: TickOutput) -> None:
        """Schedule the tick that begins ``at_ms`` after the stream began, ``length`` ms long, at the time
        ``due``. Its sound, stretched to ``filled``, lasts until the next tick."""
        self._loop.call_later(max(0.0, due - EARLY - time.monotonic()), self._sound, at_ms, output.sound, filled)
        first = grid(at_ms, length).start
        if output.hidden and not self._hidden:
            self._loop.call_later(max(0.0, due - time.monotonic()), self._hide, first)
        self._hidden = output.hidden
        if output.hidden:
            self._visible_from = 2 * grid(at_ms, length).stop - 1
        lead = self.render.count.seconds * 1.15 + 0.004
        for frame in self._doubled(output.frames):
            shown = due + frame.at * 0.02 - at_ms / 1000
            self._due[frame.at] = shown
            self._loop.call_later(max(0.0, shown - lead - time.monotonic()), self._submit, frame, shown)
        while len(self._due) > DUE_KEPT:
            del self._due[next(iter(self._due))]

    def _doubled(self, frames: list[FrameInput]) -> list[FrameInput]:
        """The frames, with one between each two where 50 a second are wanted."""
        if not self._double:
            return frames
        out = []
        for frame in frames:
            if self._before and (between := halfway(self._before, frame)):
                out.append(between)
            out.append(frame)
            self._before = frame
        return out

    def _submit(self, frame: FrameInput, due: float) -> None:
        if self._due.get(frame.at) == due:
            at = due + GRACE * self.render.submit(frame)
            self._loop.call_later(max(0.0, at - time.monotonic()), self._fill, frame, due, at)

    def _awaited(self, frame: FrameInput, due: float) -> bool:
        """Whether the frame may still be shown: neither it nor a later one was, and since it was scheduled the camera wasn't
        switched off and the stream neither ended nor restarted."""
        return not self._closed and frame.at >= self._visible_from and self._due.get(frame.at) == due

    def _fill(self, frame: FrameInput, due: float, at: float) -> None:
        """If a frame isn't rendered in time, warp the nearest rendered one in its place. ``at``: when this call was due."""
        if self._moving or not self._drawn or not self._awaited(frame, due):
            return
        if time.monotonic() - at > BUSY and self._shown and time.monotonic() - self._shown[-1] < RARER:
            return
        drawn, rgb = min(self._drawn, key=lambda other: abs(other[0].at - frame.at))
        if can_warp(drawn, frame) and abs(drawn.at - frame.at) * 0.02 <= FARTHEST:
            self._moving = True
            job = self._pool.submit(warped_frame, rgb, drawn, frame)
            job.add_done_callback(lambda done: self._call_back(self._show_warped, frame, due, done))

    def _call_back(self, action: Callable[[FrameInput, float, "Future[UInt8]"], None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action, *arguments)

    def _show_warped(self, frame: FrameInput, due: float, done: "Future[UInt8]") -> None:
        self._moving = False
        if not done.cancelled():
            self._show(frame, done.result(), due)

    def _hide(self, number: int) -> None:
        if self._closed:
            return
        for output in self.outputs:
            output.frame(number, GREY)

    def _sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        if self._closed:
            return
        if self.on_heard:
            self.on_heard(stretched, time.monotonic())
        for output in self.outputs:
            output.sound(at_ms, exact, stretched)

    def _rendered(self, frame: FrameInput, rgb: UInt8) -> None:
        if due := self._due.get(frame.at):
            self._drawn.append((frame, rgb))
            self._drawn_at.append(time.monotonic())
            self._loop.call_later(max(0.0, due - time.monotonic()), self._show, frame, rgb, due)

    def _show(self, frame: FrameInput, rgb: UInt8, due: float) -> None:
        if not self._awaited(frame, due):
            return
        self._visible_from = frame.at + 1
        now = time.monotonic()
        self._shown.append(now)
        self.delays.append(now - due)
        if self.on_shown and not frame.half:
            self.on_shown(frame.number, rgb, now)
        self.consistency.update(rgb, frame.pictures[2])
        self._small = frame.pictures[2]
        for output in self.outputs:
            if output.smooth or not frame.half:
                output.frame(frame.number, rgb)

    @property
    def small(self) -> UInt8 | None:
        """The picture that the newest frame was rendered from, RGB (8, 8, 3); None before the first."""
        return None if self._small is None else (self._small * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)

    @property
    def fps(self) -> float:
        """Frames shown a second, over the last two seconds."""
        return _rate(self._shown)

    @property
    def drawn_fps(self) -> float:
        """Frames a second that the network rendered, over the last two seconds."""
        return _rate(self._drawn_at)

    @property
    def late(self) -> float:
        """Seconds by which the last 50 frames were shown late, on average; 0 where they were early."""
        return max(0.0, float(np.mean(list(self.delays)[-50:]))) if self.delays else 0.0

    async def close(self) -> None:
        """End the threads, off the event loop."""
        self._closed = True  # what is still due is no longer output
        await asyncio.to_thread(self.render.close)
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def _rate(times: Iterable[float]) -> float:
    now = time.monotonic()
    return len([at for at in times if now - at < 2.0]) / 2.0
