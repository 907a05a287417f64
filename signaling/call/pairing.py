"""Bundles held back until the next, so that two go in one message: see :data:`sender.adaptation.ladder.STEPS`."""

from codec.bundle import Bundle
from codec.bundle_pair import join_bundles

ROOM = 1024
"""Bytes of a message that fits into one packet (MTU 1200) with its headers."""


class Pairing:
    """Holds at most one bundle."""

    def __init__(self) -> None:
        self._held: list[Bundle] = []

    def put(self, bundle: Bundle | None, paired: bool) -> list[Bundle]:
        """What goes out at the end of a tick: nothing, this bundle, or the held one and this. ``bundle`` None: this tick
        has none. One that is ``pausing`` waits for nothing, for the next tick may have none."""
        going = self._held + ([bundle] if bundle else [])
        if paired and bundle and len(going) == 1 and not bundle.pausing:
            self._held = going
            return []
        self._held = []
        return going

    def drop(self) -> None:
        """The connection that it was for is gone."""
        self._held = []


def messages(bundles: list[Bundle]) -> list[bytes]:
    """One or two bundles in as few messages as one packet each allows."""
    packed = [bundle.pack() for bundle in bundles]
    if len(packed) == 2 and sum(map(len, packed)) <= ROOM:
        return [join_bundles(*packed)]
    return packed
