"""Bundles of a recording → ticks in time: where bundles were lost, or left out in silence, there
are ticks without one."""

from dataclasses import dataclass

from codec.bundle import TIME_UNIT, Bundle

GAP_MS = 10_000
"""A longer gap isn't loss: the sender paused or restarted, and time continues with its next bundle."""
ALIGN_MS = 600
"""Ticks of all lengths begin at its multiples; so does a recording's time."""


@dataclass(frozen=True)
class TimedTick:
    """A tick that begins ``at_ms`` after the beginning of the recording; ``bundle`` None: it has none.
    ``redundant``: its sound, if the next bundle repeats it. ``missing``: how many ticks in a row have no
    bundle, this one included."""

    at_ms: int
    tick_ms: int
    bundle: Bundle | None
    redundant: tuple[bytes, ...] = ()
    missing: int = 0


class Timeline:
    """Feed it the bundles in the order of the file."""

    def __init__(self) -> None:
        self._origin: int | None = None  # times of the stream, in ms
        self._next = 0
        self._tick_ms = 200

    def _place(self, bundle: Bundle) -> int:
        """Where its tick begins: the time field, which wraps, unfolded around the next tick."""
        expected = self._next // TIME_UNIT
        return (expected + (((bundle.time - expected) + 0x8000) & 0xFFFF) - 0x8000) * TIME_UNIT

    def shift_for(self, bundle: Bundle) -> int:
        """By how much the bundle's time must be shifted, in units of :data:`codec.bundle.TIME_UNIT`, so as not to be too late."""
        behind = self._next - self._place(bundle) if self._origin is not None else 0
        return -(-behind // ALIGN_MS) * ALIGN_MS // TIME_UNIT if 0 < behind < GAP_MS else 0

    def ticks(self, bundle: Bundle) -> list[TimedTick]:
        """The ticks up to and including this bundle's; none for a bundle that is too late to be shown."""
        if self._origin is None:
            at = bundle.time * TIME_UNIT
            self._origin = at - at % ALIGN_MS
            self._next = at
        at = self._place(bundle)
        if -GAP_MS < at - self._next < 0:
            return []
        if not 0 <= at - self._next <= GAP_MS:
            self._origin += at - self._next
            self._next = at
        out: list[TimedTick] = []
        while self._next < at:
            length = min(self._tick_ms, at - self._next)
            redundant = bundle.redundant if self._next + length == at else ()
            out.append(TimedTick(self._next - self._origin, length, None, redundant, len(out) + 1))
            self._next += length
        self._tick_ms = bundle.tick_ms
        out.append(TimedTick(at - self._origin, bundle.tick_ms, bundle))
        self._next = at + bundle.tick_ms
        return out
