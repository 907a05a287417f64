"""The ladder of rates: what a call sends when there is room, and how it climbs down when there is none.

A step is a tick_mode (the length of a tick: delay) and an Opus bit rate. In the lowest step two bundles share a message.
The peer's reports drive it: loss, and whether a queue builds up on the way. The sender steps up after some seconds without
either. After a step up that failed it waits four times as long.
"""

from dataclasses import dataclass

from codec.accounting import MESSAGE_OVERHEAD
from codec.bundle import TICK_MODES
from codec.bundle_pair import OVERHEAD

ALONG = 16
"""Bytes of the SACK in a bundle's packet."""
HEADER = 9
"""Bytes of a bundle's own fields."""
PICTURE = 28
"""Bytes of a typical picture."""


@dataclass(frozen=True)
class Step:
    """``tick_mode`` is an index of :data:`codec.bundle.TICK_MODES`, ``bitrate`` Opus's in bit/s; ``paired``: two bundles go
    in one message."""

    tick_mode: int
    bitrate: int
    paired: bool = False

    @property
    def kbps(self) -> float:
        """Estimated rate on the wire one way, in kbit/s, while somebody speaks."""
        message = (MESSAGE_OVERHEAD + ALONG + OVERHEAD) / 2 if self.paired else MESSAGE_OVERHEAD + ALONG
        return 8 / TICK_MODES[self.tick_mode] * (message + HEADER + PICTURE) + self.bitrate / 1000


STEPS = (
    Step(0, 6_000, paired=True), Step(0, 6_000), Step(0, 8_000),
    Step(1, 8_000), Step(1, 12_000), Step(2, 16_000), Step(2, 24_000),
)  # fmt: skip
USUAL = 1
"""Index of the step at which a call begins. The step below saves a sixth of the bits for one tick more of delay. It is used only
when a queue has filled, which costs more delay than that, and when the peer accepts pairs."""
LOSS_HIGH = 0.10
"""Share of bundles lost above which the sender steps down."""
LOSS_SOME = 0.03
"""Share of bundles lost above which the sender doesn't step up."""
DRAIN = 0.75
"""When a queue is growing, the next step may cost at most this share of the current one, so that the queue drains."""
GOOD = 5.0
"""Seconds without loss or a queue before the first step up."""
GOOD_MAX = 80.0
"""Upper limit of that wait, in seconds."""
RARER = 4
"""After a step up that failed, the wait before the next is this many times as long."""
FAILED = 60.0
"""A step up failed if the step was left again within this many seconds: a queue that grows slowly is
detected late."""
SETTLE = 2.0
"""Seconds after a change in which reports still describe the time before it."""


class Ladder:
    """Times in seconds; ``now`` is a monotonic clock given by the caller."""

    def __init__(self, limit_kbps: float = 12.0) -> None:
        """``limit_kbps``: highest estimated rate of a step on the wire (:attr:`Step.kbps`); the usual step is always allowed."""
        self.steps = STEPS[: max(USUAL + 1, sum(s.kbps <= limit_kbps for s in STEPS))]
        self.at = USUAL
        self._pairs = False
        self._patience, self._changed, self._good_since = GOOD, 0.0, 0.0
        self._climbed = False

    @property
    def step(self) -> Step:
        return self.steps[self.at]

    def takes_pairs(self, yes: bool) -> None:
        """Set whether the peer accepts two bundles in one message; at first it doesn't."""
        self._pairs = yes
        if not yes:
            self.at = max(self.at, USUAL)

    def proven(self, now: float) -> Step:
        """The highest step that the network is known to carry: the current one, or for some seconds
        after a step up the one below."""
        return self.steps[self.at - (self._climbed and now - self._changed < GOOD)]

    def report(self, loss: float, filling: bool, now: float, confirmed: bool = False, known_empty: bool = True) -> bool:
        """The peer recently lost the share ``loss`` (0..1) of bundles; ``filling``, ``confirmed`` and ``known_empty``: see
        :class:`sender.adaptation.congestion.QueueWatch`. Returns whether the step has changed."""
        if now - self._changed < SETTLE:
            self._good_since = now
            return False
        usual = self.at >= USUAL
        # Below the usual step only a queue counts, not loss: a lost message there costs two bundles.
        if filling or (usual and loss > LOSS_HIGH):
            self._good_since = now
            return self._down(filling, confirmed, now)
        if (loss > LOSS_SOME) if usual else not known_empty:
            self._good_since = now
        if self.at + 1 < len(self.steps) and now - self._good_since >= self._patience:
            self.at, self._changed, self._climbed, self._good_since = self.at + 1, now, True, now
            return True
        if self._climbed and now - self._changed > FAILED:
            self._patience, self._climbed = GOOD, False
        return False

    def _down(self, filling: bool, confirmed: bool, now: float) -> bool:
        if self._climbed and now - self._changed <= FAILED:
            self._patience = min(GOOD_MAX, self._patience * RARER)
        self._climbed = False
        lowest = 0 if confirmed and self._pairs else USUAL
        if self.at <= lowest:
            return False
        most = self.step.kbps * (DRAIN if filling else 1)
        self.at = max((i for i in range(lowest, self.at) if self.steps[i].kbps <= most), default=lowest)
        self._changed = now
        return True

    def restarted(self, now: float) -> None:
        """A new connection takes another path: nothing is known about it yet."""
        self._changed, self._good_since, self._climbed, self._patience = now, now, False, GOOD
        self.at = max(self.at, USUAL)
