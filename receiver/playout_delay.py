"""The playout clock: one for sound and picture, from the sender's capture time.

Media time ``t`` (seconds since the stream began) is presented at ``t + delay``. A tick's bundle
arrives when the tick is over at the earliest, so the delay is the tick's length + the fastest
transit seen lately + a margin that follows the jitter + the time that rendering needs. It grows at
once when bundles come late; otherwise it follows what is wanted as the sound allows it
(:mod:`receiver.stretch`).

Who waits for a late bundle, and drops one that is too late: :mod:`receiver.player`, :mod:`receiver.tick_queue`.
"""

from collections import deque

HISTORY = 50
"""Arrivals looked at: ten seconds at the 200 ms tick mode."""
MARGIN_MIN = 0.010
MARGIN_MAX = 0.600
SHARE = 0.1
"""Of a tick, by which the delay may change in it."""
STEADY = 0.004
"""Seconds by which the delay may differ from what is wanted, before it is changed."""


class PlayoutClock:
    """All times in seconds; ``now`` is a monotonic clock given by the caller.

    Set :attr:`lead` to what rendering needs and :attr:`hold` to what shall be waited beyond the jitter.
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
        """A bundle came whose tick ended at media time ``tick_end``."""
        self._transits.append(now - tick_end)
        self._base = min(self._transits)
        if self._delay is None:
            self._delay = self.wanted(0.2)

    @property
    def margin(self) -> float:
        """What is waited beyond the fastest transit: the 95th percentile of the lateness, within limits."""
        if self._base is None:
            return MARGIN_MIN
        late = sorted(t - self._base for t in self._transits)
        high = late[int((len(late) - 1) * 0.95)]  # of a few: without the latest, which is often the first
        return min(max(high * 1.1, MARGIN_MIN), MARGIN_MAX)

    def wanted(self, tick: float) -> float:
        """The delay that the last arrivals ask for, for ticks of ``tick`` seconds."""
        return tick + (self._base or 0.0) + max(self.margin, self.hold + MARGIN_MIN) + self.lead

    def due(self, media: float) -> float:
        """When media time ``media`` is presented. Raises ``RuntimeError`` before the first arrival."""
        if self._delay is None:
            raise RuntimeError("nothing has arrived yet")
        return media + self._delay

    def change(self, tick: float, late: float = 0.0) -> float:
        """By how much the delay should change in the next tick of ``tick`` seconds, in seconds;
        :meth:`move` does it.

        ``late``: by how much a bundle missed its time since the last tick; the delay has to grow at
        once then, whatever is heard.
        """
        if self._delay is None:
            return 0.0
        difference = self.wanted(tick) - self._delay
        if late > 0:
            return min(max(difference, 0.0), MARGIN_MAX)
        return 0.0 if abs(difference) < STEADY else min(max(difference, -SHARE * tick), SHARE * tick)

    def move(self, seconds: float) -> None:
        """The next tick is that much longer than it was recorded, or shorter."""
        if self._delay is not None:
            self._delay += seconds

    def buffered(self) -> float:
        """Seconds from a bundle's fastest arrival to its presentation, the tick's own length included."""
        return (self._delay or 0.0) - (self._base or 0.0)
