"""Bundles that wait for their tick: where the stream is, what comes next, and when it restarts.

Stream times are in ms and mark the beginning of a tick. Late bundles are handled in :meth:`receiver.player.Player.bundle`.
"""

import asyncio

from codec.bundle import TIME_UNIT, Bundle

WAITING_MAX = 100
"""Ticks that may wait to be played."""
FAR_LATE = 1.0
"""Jitter can't explain a bundle that is more than this many seconds late."""
FAR_EARLY = 1.5
"""Jitter can't explain a bundle that is more than this many seconds, and one tick, early."""
FAR_COUNT = 3
"""This many bundles in a row, each far off its time, mean that the sender paused or restarted."""


class TickQueue:
    """Filled with bundles as they arrive, emptied tick by tick.

    Attributes:
        next: where the next tick to be played begins; None while no stream has begun.
        arrival: set whenever a bundle has arrived.
        last_arrival: monotonic time of the newest bundle.
        arriving: length in seconds of the newest bundle's tick.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        self.arrival = asyncio.Event()
        self.last_arrival, self.arriving = 0.0, 0.2
        self.tick_ms = 200
        self._waiting: dict[int, Bundle] = {}
        self._last: int | None = None
        self._far = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, at: int) -> bool:
        return at in self._waiting

    def position(self, bundle: Bundle) -> int:
        """Where a bundle's tick begins: its time field, which wraps, unfolded around the expected time."""
        if self._last is None:
            return bundle.time * TIME_UNIT
        expected = self._last // TIME_UNIT
        return (expected + (((bundle.time - expected) + 0x8000) & 0xFFFF) - 0x8000) * TIME_UNIT

    def is_new_stream(self, off: float, tick: float) -> bool:
        """Whether the last bundles show that the stream has paused or restarted. The newest one came
        ``off`` seconds after its time; its tick is ``tick`` seconds long."""
        self._far = self._far + 1 if off > FAR_LATE or off < -FAR_EARLY - tick else 0
        return self._far >= FAR_COUNT

    def restart(self) -> list[Bundle]:
        """Take the next bundle as the first of a stream; returns those that will not be played, in order of time."""
        self.next, self._far = None, 0
        return self._drop(list(self._waiting))

    def drop_before(self, at: int) -> list[Bundle]:
        """Remove and return the bundles of ticks before ``at``, in order of time."""
        return self._drop([a for a in self._waiting if a < at])

    def _drop(self, ticks: list[int]) -> list[Bundle]:
        return [self._waiting.pop(a) for a in sorted(ticks)]

    def arrived(self, at: int, bundle: Bundle, now: float) -> None:
        """A bundle whose tick begins at ``at`` arrived at the time ``now``; :meth:`put` stores it."""
        self._last, self.last_arrival, self.arriving = at, now, bundle.tick_ms / 1000

    def put(self, at: int, bundle: Bundle) -> bool:
        """Let a bundle wait for its tick; False if that was played already."""
        if self.next is None:
            self.next, self.tick_ms = at, bundle.tick_ms
        if at < self.next:
            return False
        self._waiting[at] = bundle
        while len(self._waiting) > WAITING_MAX:
            del self._waiting[max(self._waiting)]
        return True

    def take(self, at: int) -> tuple[Bundle | None, int]:
        """(the bundle of the tick that begins at ``at``, None if lost; the tick's length in ms). Call :meth:`drop_before` first:
        no bundle may wait for an earlier tick.

        A lost tick is as long as the last one, but ends where the next bundle's tick begins, which may
        have another tick mode.
        """
        bundle = self._waiting.pop(at, None)
        if bundle is not None:
            self.tick_ms = bundle.tick_ms
            return bundle, self.tick_ms
        return None, min([self.tick_ms, *(a - at for a in self._waiting)])

    def redundant(self, at: int) -> tuple[bytes, ...]:
        """The audio of the tick before ``at`` that the bundle of ``at`` repeats; empty if that bundle
        hasn't arrived."""
        following = self._waiting.get(at)
        return following.redundant if following else ()
