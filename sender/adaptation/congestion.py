"""Whether a queue fills on the way to the other side: then what is sent is too much, and loss is of
our own making."""

from collections import deque

QUEUE = 0.35
"""Seconds by which the way there and back may grow before a queue is held to fill."""
AGREE = 3
"""Reports in a row that must tell so: jitter delays one and not the next, a queue all of them."""
STALE = 5.0
"""Seconds without anything known after which a queue is no longer held to fill: reports name
pictures, and there may be none."""
FORGET = 60.0
"""Seconds after which the fastest way seen is forgotten: the route may have changed."""


class QueueWatch:
    """Fed with how long each bundle and the report about it took. Times in seconds; ``now`` is a
    monotonic clock."""

    def __init__(self) -> None:
        self._fastest = (float("inf"), 0.0)
        self._ways: deque[float] = deque(maxlen=AGREE)
        self._known, self.filling = 0.0, False

    def report(self, way: float | None, now: float) -> bool:
        """Whether a queue fills, as :attr:`filling` goes on telling. ``way``: seconds from sending
        a bundle to the report about it; None where not known, which tells nothing new."""
        if way is None:
            if now - self._known > STALE:
                self._ways.clear()
        else:
            self._known = now
            if way <= self._fastest[0] or now - self._fastest[1] > FORGET:
                self._fastest = (way, now)
            self._ways.append(way)
        self.filling = len(self._ways) == AGREE and min(self._ways) - self._fastest[0] > QUEUE
        return self.filling

    def restarted(self) -> None:
        """A new connection: its way is another."""
        self._fastest, self.filling = (float("inf"), 0.0), False
        self._ways.clear()
