"""Which bundles arrived, and the report on them to the sender."""

from collections import deque

from codec.bundle import Report

WINDOW = 50
"""Bundles over which loss is measured: ten seconds at the 200 ms tick mode."""
FAR = 32
"""A number at least this far behind the newest has wrapped or restarted: it isn't old."""


class Arrivals:
    """Bundle numbers modulo 2^16, in order of arrival."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._heard: deque[int] = deque(maxlen=WINDOW)

    def add(self, number: int, picture: bool) -> None:
        """A bundle arrived. ``picture``: whether it had a picture that could be decoded."""
        if picture and (self._newest is None or (self._newest - number) & 0xFFFF not in range(1, FAR)):
            self._newest = number
        self._heard.append(number)

    def report(self) -> Report | None:
        """The report for the sender: the newest decoded picture and the share of recent bundles lost; None before a picture."""
        return None if self._newest is None else Report(self._newest, min(255, round(self.loss * 255)))

    @property
    def loss(self) -> float:
        """Share of the last bundles that never arrived, 0..1."""
        if len(self._heard) < 2:
            return 0.0
        newest = self._heard[-1]
        back = [(newest - n) & 0xFFFF for n in set(self._heard)]
        span = max((b for b in back if b < 4 * WINDOW), default=0) + 1
        return max(0.0, 1 - len([b for b in back if b < span]) / span)
