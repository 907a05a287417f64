"""Whether sound is sent twice: that helps against loss, unless the loss comes from our own queue, which
it makes longer."""

LOSS = 5 / 255
"""Share of bundles lost above which sound is sent twice."""
WORSE = 0.15
"""If loss rises by this much after repetition starts, repetition is taken as its cause, even if the queue is
too short to be detected."""
PATIENCE = 10.0
"""Seconds before repetition is tried again after it caused a queue; doubled each time that it does."""
PATIENCE_MAX = 80.0
"""Upper limit of that wait, in seconds."""
SETTLE = 5.0
"""Seconds after connecting before sound may be repeated. The first keyframe's own queue must drain, or it hides one that
repetition causes."""
SUCCESS_AFTER = 20.0
"""Repetition that has run for this many seconds without causing a queue counts as a success: the wait
before the next try is short again."""


class Redundancy:
    """Times in seconds; ``now`` is a monotonic clock given by the caller."""

    def __init__(self) -> None:
        self.on = False
        self._patience, self._not_before = PATIENCE, -1.0
        self._since, self._loss = 0.0, 0.0

    def report(self, loss: float, filling: bool, now: float) -> bool:
        """The peer recently lost the share ``loss`` (0..1) of bundles; ``filling``: see
        :class:`sender.adaptation.congestion.QueueWatch`. Returns whether sound is to be sent twice from
        now on."""
        if self._not_before < 0:
            self._not_before = now + SETTLE
        if self.on:
            if filling or loss > self._loss + WORSE:
                self.on, self._not_before = False, now + self._patience
                self._patience = min(PATIENCE_MAX, self._patience * 2)
            elif loss <= LOSS:
                self.on = False
            elif now - self._since > SUCCESS_AFTER:
                self._patience = PATIENCE
        elif filling:
            self._not_before = max(self._not_before, now + PATIENCE)
        elif loss > LOSS and now >= self._not_before:
            self.on, self._since, self._loss = True, now, loss
        return self.on

    def restarted(self) -> None:
        """A new connection: how much it carries isn't known."""
        self.on, self._patience, self._not_before = False, PATIENCE, -1.0
