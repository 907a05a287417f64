"""How long to wait for an answer before something is sent again, while a connection is being made.

A connection takes about ten packets each way: ICE's checks, DTLS's flights, SCTP's. aioice waits
0.5 s for an answer to the first (RFC 8445), OpenSSL 1 s (RFC 6347), aiortc 3 s (RFC 4960). With one
packet in ten lost every second connection then takes over two seconds, and one in a hundred over
twelve (``bench.calls.connect``). To repeat some of it sooner costs little.
"""

SOONEST = 0.3
"""Seconds until a flight or SCTP's first message is repeated, at least."""
LATEST = 1.0
"""Seconds until it is repeated, at most; between the two, three round trips where they are
known."""


def patience(round_trip: float) -> float:
    """Seconds to wait for an answer before something is sent again. ``round_trip``: in seconds, 0
    where it isn't known."""
    return min(max(3 * round_trip, SOONEST), LATEST)
