"""The playout clock: one for sound and picture, from the sender's capture time.

Media time ``t`` (seconds since the stream began) is presented at ``t + delay``. A tick's bundle
arrives when the tick is over at the earliest, so the delay is the tick's length + the fastest
transit seen recently + a margin that follows the jitter + the time that rendering needs. It grows at
once when bundles arrive late; otherwise it approaches the wanted delay as fast as the sound can be
stretched (:mod:`receiver.stretch`).

:mod:`receiver.player` and :mod:`receiver.tick_queue` wait for a late bundle, and drop one that is too late.
"""

from collections import deque

HISTORY = 50
"""Arrivals considered: ten seconds at the 200 ms tick mode."""
MARGIN_MIN = 0.010
MARGIN_MAX = 0.600
SHARE = 0.1
"""Share of a tick's length by which the delay may change during the tick."""
STEADY = 0.004
"""Seconds by which the delay may differ from the wanted one before it is changed."""


class PlayoutClock:
    """All times in seconds; ``now`` is a monotonic clock given by the caller.

    Set :attr:`lead` to the time that rendering needs, and :attr:`hold` to the least time to wait, however small the jitter.
    """

    def __init__(self) -> None:
        self._transits: deque[float] = deque(maxlen=HISTORY)
        self._base: float | None = None
        self._delay: float | None = None
        self.lead = 0.03
        self.hold = 0.0

    @property
    def started(self) -> bool:
        return self._delay is not None

    def reset(self) -> None:
        """Forget everything, as when the sender starts a new stream."""
        self._transits.clear()
        self._base = self._delay = None

    def arrived(self, tick_end: float, now: float) -> None:
        """A bundle arrived whose tick ended at media time ``tick_end``."""
        self._transits.append(now - tick_end)
        self._base = min(self._transits)
        if self._delay is None:
            self._delay = self.wanted(0.2)

    @property
    def margin(self) -> float:
        """Time to wait beyond the fastest transit: about the 95th percentile of the lateness, within limits."""
        if self._base is None:
            return MARGIN_MIN
        late = sorted(t - self._base for t in self._transits)
        high = late[int((len(late) - 1) * 0.95)]  # of a few values the largest is left out: it is often the first
        return min(max(high * 1.1, MARGIN_MIN), MARGIN_MAX)

    def wanted(self, tick: float) -> float:
        """The delay that the last arrivals require, for ticks of ``tick`` seconds."""
        return tick + (self._base or 0.0) + max(self.margin, self.hold + MARGIN_MIN) + self.lead

    def due(self, media: float) -> float:
        """When media time ``media`` is presented. Raises ``RuntimeError`` before the first arrival."""
        if self._delay is None:
            raise RuntimeError("nothing has arrived yet")
        return media + self._delay

    def change(self, tick: float, late: float = 0.0) -> float:
        """Seconds by which the delay should change during the next tick of ``tick`` seconds;
        :meth:`move` applies the change.

        ``late``: seconds by which a bundle since the last tick missed its time; the delay must then
        grow at once, even if that is audible.
        """
        if self._delay is None:
            return 0.0
        difference = self.wanted(tick) - self._delay
        if late > 0:
            return min(max(difference, 0.0), MARGIN_MAX)
        return 0.0 if abs(difference) < STEADY else min(max(difference, -SHARE * tick), SHARE * tick)

    def move(self, seconds: float) -> None:
        """The next tick is played ``seconds`` longer than it was recorded; negative: shorter."""
        if self._delay is not None:
            self._delay += seconds

    def buffered(self) -> float:
        """Seconds from a bundle's fastest arrival to its presentation, the tick's own length included."""
        return (self._delay or 0.0) - (self._base or 0.0)
