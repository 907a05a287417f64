"""Sends the first keyframe over a link of unknown rate: in windows, each after the previous one has
arrived.

SCTP begins with 3600 bytes in flight and continues with 4800 after a loss (RFC 9260, section 7.2). A
link of 15 kbit/s with half a second of queue, 940 bytes, loses most of them, again and again, and
the speech with them. So the first window is tiny and measures the round trip; the second is half a
packet and measures the rate. The windows grow while they take no longer: a fast link needs three
round trips, a slow one gets a packet at a time.
"""

import time

from signaling.call.pacing import KeyframePieces
from signaling.transport.patience import SOONEST
from signaling.transport.peer import Peer

PIECE = 1100
"""Bytes of a message, which with its headers fills one packet: bundles can be sent between two of them."""
PROBE = 64
"""Bytes of the first window."""
WINDOW = 600
"""Bytes of the second window."""
WINDOW_MAX = 16_384
"""Bytes of the largest window."""
GROWTH = 8
SLOWER = 0.2
"""The next window is larger if this one took less than so many seconds longer than the fastest round
trip so far. The 600 bytes take that long on a link of 24 kbit/s."""
GIVE_UP = 6.0
"""Seconds after which the next window is sent although this one has not been acknowledged: SCTP
ensures that it arrives."""


class SlowStart:
    """One keyframe's transfer. ``bundles_allowed`` is set once the link is known to be fast: holding bundles back gains
    nothing then. A window that isn't acknowledged does not measure the rate: it may be lost, or wait in a queue behind the
    handshake's packets."""

    def __init__(self) -> None:
        self.bundles_allowed = False

    async def send(self, peer: Peer, pieces: KeyframePieces) -> None:
        """Send what is left of a keyframe. Raises ``PeerError``."""
        window, fastest, patience = PROBE, peer.pings.round_trip or GIVE_UP, 0.0
        while not pieces.done:
            began = time.monotonic()
            for at in range(0, window, PIECE):
                if not pieces.done:
                    await peer.send_control(pieces.take(min(PIECE, window - at)).pack(), patience=patience)
            if pieces.done:
                return
            await peer.control_arrived(GIVE_UP)
            took = time.monotonic() - began
            if window == PROBE:
                window, fastest = WINDOW, min(fastest, took)
                continue
            each, fastest = max(0.0, took - fastest) / window, min(fastest, took)
            if took - fastest < SLOWER:
                self.bundles_allowed = True
                window = min(WINDOW_MAX, window * GROWTH)
            else:
                window = PIECE
            patience = max(SOONEST, 2 * (fastest + each * window))
