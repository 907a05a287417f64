"""One thread that renders for several players: all waiting frames are one batch, so that lag grows
for none of them."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass, field

from codec.media.types import UInt8
from models.runtime.batch import FrameRequest, ManyUpsampler
from receiver.render import Done, Pace, RenderCount
from receiver.tick_decoder import FrameInput

log = logging.getLogger(__name__)


@dataclass
class _Stream:
    """One player's stream: its newest frame, and when that was requested."""

    done: Done
    loop: asyncio.AbstractEventLoop
    pace: Pace
    count: RenderCount = field(default_factory=RenderCount)
    keyframes: dict[int, UInt8] = field(default_factory=dict)
    current: UInt8 | None = None
    waiting: FrameInput | None = None
    asked: float = 0.0


class Seat:
    """The :class:`receiver.render.Renderer` of one player."""

    def __init__(self, many: "RenderMany", number: int, stream: _Stream) -> None:
        self._many, self._number, self._stream = many, number, stream
        self.count = stream.count

    def set_keyframe(self, slot: int, rgb: UInt8) -> None:
        self._stream.keyframes[slot] = rgb

    def submit(self, frame: FrameInput) -> bool:
        if wanted := frame.at % self._stream.pace.stride == 0:
            self._many.submit(self._number, frame)
        return wanted

    def close(self) -> None:
        self._many.leave(self._number)


class RenderMany:
    """Shared by all players, and closed after them. :meth:`seat`, with its ``fps`` set, is each player's
    :data:`receiver.render.MakeRenderer`."""

    def __init__(self, upsampler: ManyUpsampler, seats: int) -> None:
        self._upsampler, self.runtime = upsampler, upsampler.runtime
        self._free = list(range(seats))
        self._streams: dict[int, _Stream] = {}
        self._wake, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, daemon=True, name="render-many")
        self._thread.start()

    def seat(self, fps: int, done: Done, loop: asyncio.AbstractEventLoop) -> Seat:
        """A place for one more player. Raises ``RuntimeError`` where all are taken."""
        with self._wake:
            if not self._free:
                raise RuntimeError("all seats of the renderer are taken")
            number = self._free.pop(0)
            stream = self._streams[number] = _Stream(done, loop, Pace(fps))
        return Seat(self, number, stream)

    def leave(self, number: int) -> None:
        """A player has ended; its seat is free again."""
        with self._wake:
            if self._streams.pop(number, None):
                self._free.append(number)

    def submit(self, number: int, frame: FrameInput) -> None:
        """Request a player's newest frame."""
        with self._wake:
            if stream := self._streams.get(number):
                stream.count.dropped += stream.waiting is not None
                stream.waiting, stream.asked = frame, time.monotonic()
                self._wake.notify()

    def _take(self) -> list[tuple[int, _Stream, FrameInput]]:
        """All waiting frames, as soon as there is one; none after :meth:`close`."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or any(s.waiting for s in self._streams.values()))
            taken = [(n, s, s.waiting) for n, s in self._streams.items() if s.waiting] if not self._closed else []
            for _, stream, _ in taken:
                stream.waiting = None
        return taken

    def _work(self) -> None:
        while taken := self._take():
            ready = [one for one in taken if self._knows(*one)]
            try:
                if ready:
                    self._render(ready)
            except Exception as error:  # a GPU may be short of memory for a moment: the next batch may succeed
                for _, stream, _ in ready:
                    self._failed(stream, error)

    def _knows(self, number: int, stream: _Stream, frame: FrameInput) -> bool:
        """Give the network the frame's keyframe if it is new. Returns whether the network has it."""
        keyframe = stream.keyframes.get(frame.slot)
        if keyframe is None or keyframe is stream.current:
            return keyframe is not None
        try:
            self._upsampler.set_identity(number, keyframe)
        except Exception as error:  # the other players' frames are still rendered
            self._failed(stream, error)
            return False
        stream.current = keyframe
        return True

    def _failed(self, stream: _Stream, error: Exception) -> None:
        if not stream.count.failed:  # log it once: there may be fifty a second
            log.error("a frame could not be rendered: %s", error, exc_info=error)
        stream.count.failed += 1

    def _render(self, ready: list[tuple[int, _Stream, FrameInput]]) -> None:
        began = time.perf_counter()
        drawn = self._upsampler.step([FrameRequest(n, *f.inputs) for n, _, f in ready])
        seconds, now = time.perf_counter() - began, time.monotonic()
        for (_, stream, frame), rgb in zip(ready, drawn, strict=True):
            self._finish(stream, frame, rgb, seconds, now)

    def _finish(self, stream: _Stream, frame: FrameInput, rgb: UInt8, seconds: float, now: float) -> None:
        stream.pace.rendered(seconds, now)
        waited = now - stream.asked if stream.waiting is None else seconds
        stream.count.seconds = waited if not stream.count.rendered else stream.count.seconds * 0.9 + waited * 0.1
        stream.count.rendered += 1
        if not stream.loop.is_closed():
            stream.loop.call_soon_threadsafe(stream.done, frame, rgb)

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join(5)
