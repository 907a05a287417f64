"""Whether the machine is fast enough to run the face mesh on all pictures of a tick; if not, it runs only on the last.

A sender that falls behind sends less sound than is spoken. While a browser rendered on the same two cores, ``facewire call``
was 3 to 5 s behind, and the peer had to conceal 27 to 43 % of what it played; with this module it was 0.5 s behind, and the peer
concealed 17 to 23 % (``bench.calls.page_call``, two calls each).
"""

LATE = 0.12
"""A tick is late if it is sent more than this many seconds after its end; 0.02 to 0.06 are usual."""
TICKS = 3
"""This many ticks in a row must be late: a single one may have waited for something else."""
PATIENCE = 10.0
"""Seconds before all pictures are tried again; doubled each time that it fails within :data:`SOON`."""
PATIENCE_MAX = 160.0
"""Upper limit of that wait, in seconds."""
SOON = 5.0


class Workload:
    """Times in seconds; ``now`` is a monotonic clock given by the caller."""

    def __init__(self) -> None:
        self.every_frame = True
        self._late, self._changed, self._patience = 0, 0.0, PATIENCE

    def sent(self, late: float, now: float) -> bool:
        """A tick was sent ``late`` seconds after its end. Returns whether the mesh runs on all pictures of the next."""
        self._late = self._late + 1 if late > LATE else 0
        since = now - self._changed
        if self.every_frame and self._late >= TICKS:
            self._patience = min(PATIENCE_MAX, self._patience * 2) if since < SOON else PATIENCE
            self.every_frame, self._changed = False, now
        elif not self.every_frame and not self._late and since > self._patience:
            self.every_frame, self._changed = True, now
        return self.every_frame
