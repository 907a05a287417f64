"""Holds a bundle back until the next, so that one message carries both: see :data:`sender.adaptation.ladder.STEPS`."""

from codec.bundle import Bundle
from codec.bundle_pair import join_bundles

ROOM = 1024
"""Bytes of the largest message that fits with its headers into one packet (MTU 1200)."""


class Pairing:
    """Holds at most one bundle."""

    def __init__(self) -> None:
        self._held: list[Bundle] = []

    def put(self, bundle: Bundle | None, paired: bool) -> list[Bundle]:
        """What to send at the end of a tick: nothing, this bundle, or the held one and this. ``bundle``: None if the tick
        has none. A ``pausing`` bundle is not held, because the next tick may have none."""
        going = self._held + ([bundle] if bundle else [])
        if paired and bundle and len(going) == 1 and not bundle.pausing:
            self._held = going
            return []
        self._held = []
        return going

    def drop(self) -> None:
        """Drop the held bundle: its connection is gone."""
        self._held = []


def messages(bundles: list[Bundle]) -> list[bytes]:
    """One or two bundles in as few messages as possible: two share one if it fits into a packet."""
    packed = [bundle.pack() for bundle in bundles]
    if len(packed) == 2 and sum(map(len, packed)) <= ROOM:
        return [join_bundles(*packed)]
    return packed
