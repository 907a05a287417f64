"""Whether a queue fills on the way to the other side: then what is sent is too much, and loss is of
our own making."""

from collections import deque

QUEUE = 0.35
"""Seconds by which the round trip may grow before a queue is assumed to be building."""
AGREE = 3
"""Reports in a row that must show it: jitter delays one and not the next, a queue all of them."""
STALE = 5.0
"""Seconds without anything known after which no queue is assumed any more: reports name
pictures, and there may be none."""
FORGET = 60.0
"""Seconds after which the fastest round trip seen is forgotten: the route may have changed."""


ANSWERING = 0.5
"""Seconds beyond the network's bare round trip after which a bundle is reported at the latest where no queue is: a tick of 0.2,
and what a busy machine takes. A call may begin with the queue full: what was fastest then is no measure."""


class QueueWatch:
    """Fed with how long each bundle and the report about it took. Times in seconds; ``now`` is a
    monotonic clock."""

    def __init__(self) -> None:
        self._fastest = (float("inf"), 0.0)
        self._round_trips: deque[float] = deque(maxlen=AGREE)
        self._known, self.filling = 0.0, False
        self.deep = self.clear = False
        """Whether the network itself answers late, too: else it may be a busy machine over there. Whether it is known that
        no queue fills."""

    def report(self, round_trip: float | None, now: float, bare: float = 0.0, newest: float = 0.0) -> bool:
        """Whether a queue is growing; :attr:`filling` keeps the last result. ``round_trip``: seconds from sending a
        bundle to the report about it; None where unknown. ``bare``: the network's own at its fastest, as ICE has found it;
        ``newest``: what it takes now; 0 where unknown."""
        if round_trip is None:
            if now - self._known > STALE:
                self._round_trips.clear()
        else:
            self._known = now
            if round_trip <= self._fastest[0] or now - self._fastest[1] > FORGET:
                self._fastest = (round_trip, now)
            self._round_trips.append(round_trip)
        fastest = min(self._fastest[0], bare + ANSWERING) if bare else self._fastest[0]
        known = len(self._round_trips) == AGREE
        self.filling = known and min(self._round_trips) - fastest > QUEUE
        late = newest - bare > QUEUE
        self.deep, self.clear = self.filling and late, known and not self.filling and not late
        return self.filling

    def restarted(self) -> None:
        """A new connection: its round trip is another."""
        self._fastest, self.filling = (float("inf"), 0.0), False
        self.deep = self.clear = False
        self._round_trips.clear()
