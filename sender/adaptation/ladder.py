"""The ladder of rates: what a call sends when there is room, and how it climbs down when there is none.

A step is a tick_mode (the length of a tick: delay) and an Opus bit rate. The other side's reports drive
it: loss, and whether a queue fills on the way. The sender steps up after some seconds
without trouble. After a step up that failed it waits four times as long.
"""

from dataclasses import dataclass

from codec.accounting import MESSAGE_OVERHEAD
from codec.bundle import TICK_MODES

ALONG = 16
"""Bytes of the SACK that travels along with a bundle."""
HEADER = 9
"""Bytes of a bundle's own fields."""
PICTURE = 28
"""Bytes of a usual picture."""


@dataclass(frozen=True)
class Step:
    """``tick_mode`` is an index of :data:`codec.bundle.TICK_MODES`, ``bitrate`` Opus's in bit/s."""

    tick_mode: int
    bitrate: int

    @property
    def kbps(self) -> float:
        """About what it costs on the wire one way, in kbit/s, while somebody speaks."""
        return 8 / TICK_MODES[self.tick_mode] * (MESSAGE_OVERHEAD + ALONG + HEADER + PICTURE) + self.bitrate / 1000


STEPS = tuple(Step(*s) for s in ((0, 6_000), (0, 8_000), (1, 8_000), (1, 12_000), (2, 16_000), (2, 24_000)))
LOSS_HIGH = 0.10
"""Share of bundles lost from which a step is too much."""
LOSS_SOME = 0.03
"""Share of bundles lost from which no step is climbed."""
DRAIN = 0.75
"""When a queue is growing, the next step may cost at most this share of the current one, so that the queue drains."""
GOOD = 5.0
"""Seconds without trouble before the first climb."""
GOOD_MAX = 80.0
"""Seconds without trouble before a climb, at most."""
RARER = 4
"""After a climb that failed, the next is tried after so many times as long."""
FAILED = 60.0
"""A step left within so many seconds of the climb to it was a failure: a queue that fills by a
little is seen late."""
SETTLE = 2.0
"""Seconds after a change in which reports still speak of what was before."""


class Ladder:
    """Times in seconds; ``now`` is a monotonic clock given by the caller."""

    def __init__(self, limit_kbps: float = 12.0) -> None:
        """``limit_kbps``: what a step may cost on the wire, as it estimates itself; the lowest is
        always allowed."""
        self.steps = STEPS[: max(1, sum(s.kbps <= limit_kbps for s in STEPS))]
        self.at = 0
        self._patience, self._changed, self._good_since = GOOD, 0.0, 0.0
        self._climbed = False

    @property
    def step(self) -> Step:
        return self.steps[self.at]

    def proven(self, now: float) -> Step:
        """The highest step that the network is known to carry: this one, or for some seconds after
        a climb the one before."""
        return self.steps[self.at - (self._climbed and now - self._changed < GOOD)]

    def report(self, loss: float, filling: bool, now: float) -> bool:
        """The other side lost the share ``loss`` (0..1) of late; ``filling``: see
        :class:`sender.adaptation.congestion.QueueWatch`. Returns whether the step has changed."""
        if now - self._changed < SETTLE:
            self._good_since = now
            return False
        if loss > LOSS_HIGH or filling:
            self._good_since = now
            return self._down(filling, now)
        if loss > LOSS_SOME:
            self._good_since = now
        if self.at + 1 < len(self.steps) and now - self._good_since >= self._patience:
            self.at, self._changed, self._climbed, self._good_since = self.at + 1, now, True, now
            return True
        if self._climbed and now - self._changed > FAILED:
            self._patience, self._climbed = GOOD, False
        return False

    def _down(self, filling: bool, now: float) -> bool:
        if self._climbed and now - self._changed <= FAILED:
            self._patience = min(GOOD_MAX, self._patience * RARER)
        self._climbed = False
        if not self.at:
            return False
        most = self.step.kbps * (DRAIN if filling else 1)
        self.at = max((i for i in range(self.at) if self.steps[i].kbps <= most), default=0)
        self._changed = now
        return True

    def restarted(self, now: float) -> None:
        """A new connection: its way is another."""
        self._changed, self._good_since, self._climbed = now, now, False
