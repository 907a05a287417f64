"""How long to wait for an answer before something is sent again, while a connection is being made.

A connection takes about ten packets each way: ICE's checks, DTLS's flights, SCTP's handshake. Before
the first repetition aioice waits 0.5 s (RFC 8445), OpenSSL 1 s (RFC 6347), aiortc 3 s (RFC 4960). If
one packet in ten is lost, every second connection then takes over two seconds, and one in a hundred
over twelve (``bench.calls.connect``). Repeating some packets sooner costs little.
"""

SOONEST = 0.3
"""Seconds until a flight or SCTP's first message is repeated, at least."""
LATEST = 1.0
"""Seconds until it is repeated, at most. In between: three round trips, if the round trip is known."""


def patience(round_trip: float) -> float:
    """Seconds to wait for an answer before something is sent again. ``round_trip``: in seconds, 0 if
    unknown."""
    return min(max(3 * round_trip, SOONEST), LATEST)
