"""The first keyframe's way over a link whose rate nobody knows yet: in windows, each after the one before has arrived.

SCTP begins with 3600 bytes in flight and goes on with 4800 after a loss (RFC 9260, section 7.2). A link of 15 kbit/s with half a
second of queue, 940 bytes, loses most of them, again and again, and the speech beside. So this begins with next to nothing, which
tells the round trip, then half a packet, and goes on with more while that takes no longer: a fast link sees three round trips, a
slow one is never flooded.
"""

import time

from signaling.pacing import KeyframePieces
from signaling.peer import Peer

PROBE, WINDOW, WINDOW_MAX = 64, 600, 16_384
"""Bytes of the first window, of those after it, and of the largest."""
GROWTH = 8
SLOWER = 0.2
"""Seconds by which a window may take longer than the fastest so far for the next to be larger."""
LOST = 6.0
"""Seconds after which a window that has not been acknowledged is followed by the next all the same: SCTP sees to its arrival."""


async def send_whole(peer: Peer, pieces: KeyframePieces) -> None:
    """Send what is left of a keyframe. Raises ``PeerError``."""
    window, fastest = PROBE, LOST
    while not pieces.done:
        began = time.monotonic()
        await peer.send_control(pieces.take(window).pack(), prompt=True)
        if pieces.done:
            return
        await peer.control_arrived(LOST)
        took = time.monotonic() - began
        if window == PROBE:
            window, fastest = WINDOW, took
        elif took - fastest < SLOWER:
            window, fastest = min(WINDOW_MAX, window * GROWTH), min(fastest, took)
