"""The live receiver: bundles in whenever they come, frames and sound out on the playout clock."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from codec.accounting import BitCount
from codec.bundle import NO_CAMERA, TIME_UNIT, Bundle, Face, Report
from codec.errors import CodecError
from codec.keyframe import Keyframe
from codec.media.timing import RATE, grid
from codec.media.types import Float32, UInt8
from models.runtime.upsampler import Interpolator
from receiver.arrivals import Arrivals
from receiver.outputs.base import Output
from receiver.outputs.recorder import Recorder
from receiver.playout import PlayoutClock
from receiver.render import MakeRenderer
from receiver.stretch import fit
from receiver.tick_decoder import FrameInput, TickDecoder, TickOutput, halfway
from receiver.trust import TrustMeter

log = logging.getLogger("facewire.player")


WAITING_MAX = 100
"""Ticks that may wait to be played."""
FAR_LATE, FAR_EARLY, FAR_COUNT = 1.0, 1.5, 3
"""So many bundles in a row, each so many seconds off its time, are no jitter: the sender paused or began anew.
"""
SILENCE = 5.0
"""Seconds without a bundle after which playing stops until one comes."""
BEHIND = 1.0
"""Seconds that this side may fall behind (the machine slept) before ticks are skipped."""
EARLY = 0.012
"""Seconds by which sound is handed out before its picture's time: Opus delays it by 6.5 ms, and
pictures were found 10 ms ahead of it (``bench.calls.soak``)."""
SOUND_LEAD = EARLY + 0.015
"""Seconds before a tick's time at which it must be decoded, for its sound to be whole."""
GREY = np.full((256, 256, 3), 40, np.uint8)
"""Shown when the other side's camera is off."""


@dataclass
class PlayerCount:
    """What happened so far: bundles received, broken, late (after their time), ticks played and concealed."""

    bundles: int = 0
    broken: int = 0
    late: int = 0
    ticks: int = 0
    concealed: int = 0


class Player:
    """Made inside a running event loop; :meth:`bundle` and :meth:`keyframe` are called on it as data arrives."""

    def __init__(
        self, render: MakeRenderer, interpolator: Interpolator, outputs: list[Output], recorder: Recorder | None = None,
        fps: int = 25,
    ) -> None:  # fmt: skip
        """The networks must be loaded and warm; :meth:`close` closes renderer, outputs and
        recorder. ``fps``: 25, or 50 with frames between those of the stream, for outputs that are
        ``smooth``."""
        self.recorder, self._double = recorder, fps == 50
        self._loop = asyncio.get_running_loop()
        self.outputs, self.clock, self.count, self.bits = outputs, PlayoutClock(), PlayerCount(), BitCount()
        self.decoder = TickDecoder(interpolator)
        self._pool = ThreadPoolExecutor(1, "interpolate")
        self.render = render(self._rendered, self._loop)
        self.face, self.muted = Face.TRACKED, False
        self.on_shown: Callable[[int, UInt8, float], None] | None = None
        self.on_heard: Callable[[Float32, float], None] | None = None
        self._waiting: dict[int, Bundle] = {}
        self._next: int | None = None  # times in the stream are in ms, of a tick's beginning
        self._last: int | None = None
        self._last_arrival = 0.0
        self._far, self._tick_ms, self._arriving = 0, 200, 0.2
        self._hidden, self._visible_from = False, 0
        self._arrivals = Arrivals()
        self._due: dict[int, float] = {}
        self._shown: deque[float] = deque(maxlen=200)
        self.delays: deque[float] = deque(maxlen=499)
        self.trust = TrustMeter()
        self._small: Float32 | None = None
        self._before: FrameInput | None = None
        self._missed = 0.0
        self._arrival = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    # -- what arrives ---------------------------------------------------------------------------------------------

    def keyframe(self, slot: int, keyframe: Keyframe) -> None:
        """A whole keyframe is here."""
        self.decoder.set_keyframe(slot, keyframe.thumbnail)
        self.render.set_keyframe(slot, keyframe.rgb)
        self.bits.keyframe_bytes += len(keyframe.data)
        if self.recorder:
            self.recorder.keyframe(slot, keyframe)

    def _media(self, bundle: Bundle) -> int:
        """When the bundle's tick begins in the stream, in ms, its wrapping time field unfolded
        around the expected one."""
        if self._last is None:
            return bundle.time * TIME_UNIT
        expected = self._last // TIME_UNIT
        return (expected + (((bundle.time - expected) + 0x8000) & 0xFFFF) - 0x8000) * TIME_UNIT

    def bundle(self, data: bytes) -> Bundle | None:
        """A message from the media channel; gives the bundle for its report, or None when it is
        broken (and counted)."""
        now = time.monotonic()
        try:
            bundle = Bundle.parse(data)
        except CodecError:
            self.count.broken += 1
            return None
        self.count.bundles += 1
        if bundle.picture is None and not (bundle.sound or bundle.pausing or bundle.face in NO_CAMERA):
            return bundle  # only a report: the other side sends nothing to play
        tick, at = bundle.tick_ms / 1000, self._media(bundle)
        self._watch_for_restart(at, tick, now)
        self._last, self._last_arrival, self._arriving = at, now, tick
        self.bits.add_bundle(len(data), bundle.picture, sum(map(len, bundle.sound)), tick)
        self.clock.arrived(at / 1000 + tick, now)
        self._arrivals.add(bundle.number, self.decoder.arrived(bundle))
        self.face, self.muted = bundle.face, bundle.muted
        if self._next is None:
            self._next, self._tick_ms = at, bundle.tick_ms
        if at < self._next:
            self.count.late += 1
            if self.recorder:
                self.recorder.bundle(bundle)
            self._missed = max(self._missed, now - self.clock.due(at / 1000) + SOUND_LEAD)
        else:
            self._waiting[at] = bundle
            while len(self._waiting) > WAITING_MAX:
                del self._waiting[max(self._waiting)]
        self._arrival.set()
        return bundle

    def _watch_for_restart(self, at: int, tick: float, now: float) -> None:
        if self._next is None or not self.clock.started:
            return
        off = now - self.clock.due(at / 1000)
        self._far = self._far + 1 if off > FAR_LATE or off < -FAR_EARLY - tick else 0
        if self._far >= FAR_COUNT:
            self._restart()

    def _restart(self) -> None:
        """Take the next bundle as the first of a stream; what was decoded and what is shown stay."""
        self.clock.reset()
        self._waiting.clear()
        self._visible_from = 0
        self._due.clear()  # frames of the stream before must not hide those of the next
        self._next, self._far, self._missed = None, 0, 0.0

    def report(self) -> Report | None:
        """See :meth:`receiver.arrivals.Arrivals.report`."""
        return self._arrivals.report()

    @property
    def loss(self) -> float:
        """Share of the last bundles that never came, 0..1."""
        return self._arrivals.loss

    # -- what is played -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            if self._next is None or not self.clock.started:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            at = self._next
            now, due = time.monotonic(), self.clock.due(at / 1000)
            if now - due > BEHIND:
                self._next = at + int((now - due) * 1000) // self._tick_ms * self._tick_ms
                continue
            if now - self._last_arrival > SILENCE and not self._waiting:
                self._restart()
                continue
            await asyncio.sleep(max(0.0, due - self._lead() - now))
            await self._wait_for(at, due - SOUND_LEAD)
            if self._next != at:
                continue  # a new stream began meanwhile
            bundle, length = self._take(at)
            if bundle and self.recorder:
                self.recorder.bundle(bundle)
            self._next, tick = at + length, length / 1000
            following = self._waiting.get(self._next)
            # Under loss the clock waits for the next bundle, which then brings the lost one's sound again.
            self.clock.hold = tick if self.loss > 0.04 else 0.0
            # What arrives decides how long must be waited: slower ticks come later, and would be late for ever.
            change, forced = self.clock.change(self._arriving, self._missed), self._missed > 0
            self._missed = 0.0
            try:
                redundant = following.redundant if following else ()
                output, filled = await self._loop.run_in_executor(
                    self._pool, self._lay_out, at, length, bundle, redundant, round(change * RATE), forced
                )
            except Exception:  # one tick must not end the call
                log.exception("the tick at %d ms could not be decoded", at)
                self.count.broken += 1
                continue
            if self._next != at + length:
                continue
            self.clock.move(len(filled) / RATE - tick)
            self.count.ticks += 1
            self.count.concealed += output.concealed
            if bundle is None and not output.concealed:
                self.bits.seconds += tick
            self._play(at, length, due, filled, output)

    def _lay_out(
        self, at: int, length: int, bundle: Bundle | None, redundant: tuple[bytes, ...], change: int, forced: bool
    ) -> tuple[TickOutput, Float32]:  # fmt: skip
        """A tick's frames and sound, and the sound ``change`` samples longer: about, so that it
        isn't heard, or exactly."""
        output = self.decoder.tick(at, length, bundle, redundant)
        return output, np.pad(output.sound, (0, max(0, change))) if forced else fit(output.sound, change)

    async def _wait_for(self, at: int, until: float) -> None:
        """Wait for a tick's bundle a little longer than its first frame can: that one is shown late
        then, but nothing is lost."""
        while self._next == at and at not in self._waiting and not self.decoder.pausing:
            self._arrival.clear()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await self._arrival.wait()
            except TimeoutError:
                return

    def _take(self, at: int) -> tuple[Bundle | None, int]:
        """(the bundle of the tick that begins now, the tick's length in ms). A lost one is as long
        as the last, but ends where the next bundle's begins, which may be of another tick mode."""
        for old in [a for a in self._waiting if a < at]:
            del self._waiting[old]
        bundle = self._waiting.pop(at, None)
        if bundle is not None:
            self._tick_ms = bundle.tick_ms
            return bundle, self._tick_ms
        return None, min([self._tick_ms, *(a - at for a in self._waiting)])

    def _lead(self) -> float:
        """How long before its time a tick is laid out, in seconds: about what rendering takes. Less
        than that, so that a tick's first frame comes some ms late: nobody sees it, and all that
        follows is sooner."""
        self.clock.lead = min(max(self.render.count.seconds * 0.9, 0.02), 0.12) + 0.004
        return self.clock.lead

    def _play(self, at_ms: int, length: int, due: float, filled: Float32, output: TickOutput) -> None:
        """Schedule a tick that is due at ``due``; its sound lasts, as ``filled``, until the next."""
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
        while len(self._due) > 120:
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
            self.render.submit(frame)

    def _hide(self, number: int) -> None:
        for output in self.outputs:
            output.frame(number, GREY)

    def _sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        if self.on_heard:
            self.on_heard(stretched, time.monotonic())
        for output in self.outputs:
            output.sound(at_ms, exact, stretched)

    def _rendered(self, frame: FrameInput, rgb: UInt8) -> None:
        if due := self._due.get(frame.at):
            self._loop.call_later(max(0.0, due - time.monotonic()), self._show, frame, rgb, due)

    def _show(self, frame: FrameInput, rgb: UInt8, due: float) -> None:
        if frame.at < self._visible_from or self._due.get(frame.at) != due:
            return  # overtaken by its successor, or rendered for a tick before the camera went off
        self._visible_from = frame.at + 1
        now = time.monotonic()
        self._shown.append(now)
        self.delays.append(now - due)
        if self.on_shown and not frame.half:
            self.on_shown(frame.number, rgb, now)
        self.trust.update(rgb, frame.pictures[2])
        self._small = frame.pictures[2]
        for output in self.outputs:
            if output.smooth or not frame.half:
                output.frame(frame.number, rgb)

    @property
    def small(self) -> UInt8 | None:
        """The picture that the newest frame was drawn from, RGB (8, 8, 3); None before the first."""
        return None if self._small is None else (self._small * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)

    @property
    def fps(self) -> float:
        """Frames shown a second, over the last two seconds."""
        now = time.monotonic()
        return len([t for t in self._shown if now - t < 2.0]) / 2.0

    @property
    def local_delay(self) -> float:
        """Seconds from the start of a tick's capture to its presentation, without the network's own transit."""
        late = max(0.0, float(np.mean(list(self.delays)[-50:]))) if self.delays else 0.0
        return self.clock.buffered() + late

    async def close(self) -> None:
        """Stop playing, and finish the outputs off the event loop."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.render.close)
        finish = [o.close for o in self.outputs] + ([self.recorder.close] if self.recorder else [])
        closed = await asyncio.gather(*(asyncio.to_thread(close) for close in finish), return_exceptions=True)
        for error in closed:  # all are closed before the first failure is told
            if isinstance(error, BaseException):
                raise error
