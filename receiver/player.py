"""The live receiver: takes bundles whenever they arrive, and outputs frames and sound on the playout clock."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from codec.accounting import BitCount
from codec.bundle import Bundle, Face, Report
from codec.errors import CodecError
from codec.keyframe import Keyframe
from codec.media.timing import RATE
from codec.media.types import Float32
from models.runtime.upsampler import Interpolator
from receiver.arrivals import Arrivals
from receiver.outputs.base import Output
from receiver.outputs.recorder import Recorder
from receiver.playout_delay import PlayoutClock
from receiver.presenter import EARLY, Presenter
from receiver.render import MakeRenderer
from receiver.stretch import fit
from receiver.tick_decoder import TickDecoder, TickOutput
from receiver.tick_queue import TickQueue

log = logging.getLogger(__name__)

STREAM_TIMEOUT = 5.0
"""Seconds without a bundle after which playout stops until one arrives."""
BEHIND = 1.0
"""Seconds by which playout may fall behind (the machine slept) before ticks are skipped."""
REDUNDANT_LOSS = 0.04
"""Share of bundles lost above which the clock also waits for the next bundle, which may repeat a tick's sound. The sender's
own threshold is lower (:mod:`sender.adaptation.redundancy`)."""
SOUND_LEAD = EARLY + 0.015
"""Seconds before a tick's time at which it must be decoded, for its sound to be complete."""


@dataclass
class PlayerCount:
    """Counts so far: bundles received, malformed and too late; ticks played, and ticks whose sound
    had to be concealed."""

    bundles: int = 0
    broken: int = 0
    late: int = 0
    ticks: int = 0
    concealed: int = 0


class Player:
    """Create it inside a running event loop, and call :meth:`bundle` and :meth:`keyframe` as data arrives.

    Bundles wait in :attr:`queue` until the clock decides that their tick is due. The tick is then decoded, and
    :attr:`presenter` shows its frames and plays its sound.
    """

    def __init__(
        self, render: MakeRenderer, interpolator: Interpolator, outputs: list[Output], recorder: Recorder | None = None,
        fps: int = 25,
    ) -> None:  # fmt: skip
        """The networks must be loaded and warm; :meth:`close` closes renderer, outputs and
        recorder. ``fps``: 25, or 50 with frames between those of the stream, for outputs that are
        ``smooth``."""
        self.recorder, self._loop = recorder, asyncio.get_running_loop()
        self.clock, self.count, self.bits = PlayoutClock(), PlayerCount(), BitCount()
        self.decoder, self.queue = TickDecoder(interpolator), TickQueue()
        self.presenter = Presenter(render, outputs, fps == 50)
        self.face, self.muted = Face.TRACKED, False
        self._pool = ThreadPoolExecutor(1, "interpolate")
        self._arrivals = Arrivals()
        self._missed = 0.0  # seconds by which the most overdue bundle since the last tick was late
        self._task = asyncio.ensure_future(self._run())

    # -- what arrives ---------------------------------------------------------------------------------------------

    def keyframe(self, slot: int, keyframe: Keyframe) -> None:
        """A complete keyframe has arrived."""
        self.decoder.set_keyframe(slot, keyframe.thumbnail, keyframe.points)
        self.presenter.render.set_keyframe(slot, keyframe.rgb)
        self.bits.keyframe_bytes += len(keyframe.data)
        if self.recorder:
            self.recorder.keyframe(slot, keyframe)

    def bundle(self, data: bytes) -> Bundle | None:
        """A message has arrived on the media channel. Returns the bundle, for the report in it; None
        if it is malformed, which is counted."""
        now = time.monotonic()
        try:
            bundle = Bundle.parse(data)
        except CodecError:
            self.count.broken += 1
            return None
        self.count.bundles += 1
        if bundle.only_reports:
            return bundle
        queue, tick, at = self.queue, bundle.tick_ms / 1000, self.queue.position(bundle)
        if queue.next is not None and self.clock.started and queue.is_new_stream(now - self.clock.due(at / 1000), tick):
            self._restart()
        queue.arrived(at, bundle, now)
        self.bits.add_bundle(len(data), bundle, tick)
        self.clock.arrived(at / 1000 + tick, now)
        self._arrivals.add(bundle.number, self.decoder.arrived(bundle))
        self.face, self.muted = bundle.face, bundle.muted
        if not queue.put(at, bundle):
            self.count.late += 1
            self._record([bundle])
            self._missed = max(self._missed, now - self.clock.due(at / 1000) + SOUND_LEAD)
        queue.arrival.set()
        return bundle

    def forget(self) -> None:
        """A new session begins, with the same person or another: no picture may refer to one received before."""
        self.decoder, self._arrivals = TickDecoder(self.decoder.interpolator), Arrivals()
        self._restart()

    def _restart(self) -> None:
        """Take the next bundle as the first of a stream; keep the decoder's state and the frame shown."""
        self.clock.reset()
        self._record(self.queue.restart())
        if self.recorder:
            self.recorder.restart()
        self.presenter.restart()
        self._missed = 0.0

    def _record(self, bundles: list[Bundle]) -> None:
        """Record bundles that are played, and those that were decoded but aren't played: the sender knows that these arrived,
        and later pictures may refer to theirs."""
        if self.recorder:
            for bundle in bundles:
                self.recorder.bundle(bundle)

    def report(self) -> Report | None:
        """See :meth:`receiver.arrivals.Arrivals.report`."""
        return self._arrivals.report()

    @property
    def loss(self) -> float:
        """Share of the last bundles that never arrived, 0..1."""
        return self._arrivals.loss

    # -- what is played -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        queue = self.queue
        while True:
            if queue.next is None or not self.clock.started:
                queue.arrival.clear()
                await queue.arrival.wait()
                continue
            at = queue.next
            now, due = time.monotonic(), self.clock.due(at / 1000)
            if now - due > BEHIND:
                queue.next = at + int((now - due) * 1000) // queue.tick_ms * queue.tick_ms
                continue
            if now - queue.last_arrival > STREAM_TIMEOUT and not queue:
                self._restart()
                continue
            self.clock.lead = self.presenter.lead()
            await asyncio.sleep(max(0.0, due - self.clock.lead - now))
            await self._wait_for(at, due - SOUND_LEAD)
            if queue.next == at:  # else a new stream began meanwhile
                await self._play(at, due)

    async def _play(self, at: int, due: float) -> None:
        """Decode the tick that begins at ``at`` and pass it to the presenter, to be shown and heard from ``due`` on."""
        self._record(self.queue.drop_before(at))
        bundle, length = self.queue.take(at)
        omitted = bundle is None and self.decoder.pausing
        self._record([bundle] if bundle else [])
        self.queue.next, tick = at + length, length / 1000
        # Under loss the clock also waits for the next bundle, which repeats the sound of a lost one.
        self.clock.hold = tick if self.loss > REDUNDANT_LOSS else 0.0
        # The newest bundle's tick length: longer ticks arrive later, and would otherwise always be late.
        change, forced = self.clock.change(self.queue.arriving, self._missed), self._missed > 0
        self._missed = 0.0
        try:
            output, filled = await self._loop.run_in_executor(
                self._pool,
                self._decode_and_stretch,
                at,
                length,
                bundle,
                self.queue.redundant(at + length),
                round(change * RATE),
                forced,
            )
        except Exception:  # one tick must not end the call
            log.exception("the tick at %d ms could not be decoded", at)
            self.count.broken += 1
            return
        if self.queue.next != at + length:
            return
        self.clock.move(len(filled) / RATE - tick)
        self.count.ticks += 1
        self.count.concealed += output.concealed
        if omitted:
            self.bits.seconds += tick
        self.presenter.present(at, length, due, filled, output)

    def _decode_and_stretch(
        self, at: int, length: int, bundle: Bundle | None, redundant: tuple[bytes, ...], change: int, forced: bool
    ) -> tuple[TickOutput, Float32]:  # fmt: skip
        """Decode a tick and stretch its sound by ``change`` samples: inaudibly and approximately, or
        exactly if ``forced``."""
        output = self.decoder.tick(at, length, bundle, redundant)
        return output, np.pad(output.sound, (0, max(0, change))) if forced else fit(output.sound, change)

    async def _wait_for(self, at: int, until: float) -> None:
        """Wait for the bundle until its sound must be decoded. The first frame may then be late, but
        the tick is not lost."""
        queue = self.queue
        while queue.next == at and at not in queue and not self.decoder.pausing:
            queue.arrival.clear()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await queue.arrival.wait()
            except TimeoutError:
                return

    @property
    def local_delay(self) -> float:
        """Seconds from the start of a tick's capture to its presentation, less the fastest network transit seen; waiting for
        jitter is included."""
        return self.clock.buffered() + self.presenter.late

    async def close(self) -> None:
        """Stop playing, and finish the outputs off the event loop."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._record(self.queue.restart())
        self._pool.shutdown(wait=False, cancel_futures=True)
        await self.presenter.close()
        finish = [o.close for o in self.presenter.outputs] + ([self.recorder.close] if self.recorder else [])
        closed = await asyncio.gather(*(asyncio.to_thread(close) for close in finish), return_exceptions=True)
        for error in closed:  # all are closed before the first failure is raised
            if isinstance(error, BaseException):
                raise error
