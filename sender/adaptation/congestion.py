"""Whether a queue builds up on the way to the peer: then this side sends too much, and causes the loss
itself."""

from collections import deque

QUEUE = 0.35
"""Seconds by which the round trip may grow before a queue is assumed to be building."""
AGREE = 3
"""Reports in a row that must show it: jitter delays one and not the next, a queue delays all of them."""
STALE = 5.0
"""Seconds without a known round trip after which no queue is assumed any more: reports refer to
pictures, and there may be none."""
FORGET = 60.0
"""Seconds after which the fastest round trip seen is forgotten: the route may have changed."""


ANSWERING = 0.5
"""Without a queue, a bundle is reported at most this many seconds after the network's own round trip: a tick of 0.2, and what a
busy machine takes. A call may begin with a full queue, and then the fastest report so far says nothing."""
FORGET_TRIP = 120.0
"""Seconds after which the network's fastest round trip is forgotten."""


class QueueWatch:
    """Pass it the time from sending each bundle to the report about it. Times in seconds; ``now`` is
    a monotonic clock."""

    def __init__(self) -> None:
        self._fastest, self._trip = (float("inf"), 0.0), (0.0, 0.0)
        self._round_trips: deque[float] = deque(maxlen=AGREE)
        self._known, self.filling = 0.0, False
        self.confirmed = False
        """Whether a queue builds up and the network's own round trip is long, too: otherwise the peer's machine may be busy."""
        self.known_empty = False
        """Whether it is known that no queue builds up; where nothing is reported, the network's own round trip decides."""

    def report(self, round_trip: float | None, now: float, trip: float = 0.0, at_least: float = 0.0) -> bool:
        """Whether a queue is growing; :attr:`filling` keeps the last result. ``round_trip``: seconds from sending a
        bundle to the report about it; None where unknown. ``trip``: the network's own, as ICE measured it last; ``at_least``:
        a lower limit of it, which may be newer. Both are 0 where unknown.
        """
        if trip and (not self._trip[0] or trip <= self._trip[0] or now - self._trip[1] > FORGET_TRIP):
            self._trip = (trip, now)
        if round_trip is None:
            if now - self._known > STALE:
                self._round_trips.clear()
        else:
            self._known = now
            if round_trip <= self._fastest[0] or now - self._fastest[1] > FORGET:
                self._fastest = (round_trip, now)
            self._round_trips.append(round_trip)
        fastest = min(self._fastest[0], self._trip[0] + ANSWERING) if self._trip[0] else self._fastest[0]
        known = len(self._round_trips) == AGREE
        self.filling = known and min(self._round_trips) - fastest > QUEUE
        late = bool(self._trip[0]) and max(trip, at_least) - self._trip[0] > QUEUE
        self.confirmed = self.filling and late
        self.known_empty = not self.filling and not late and (known or now - self._known > STALE)
        return self.filling

    def restarted(self, now: float = 0.0, trip: float = 0.0) -> None:
        """A new connection has another round trip. ``trip``: the network's own at its fastest so far; 0 where unknown."""
        self._fastest, self._trip, self._known = (float("inf"), 0.0), (trip, now), now
        self.filling = self.confirmed = self.known_empty = False
        self._round_trips.clear()
