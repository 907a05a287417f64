"""Reads all messages that DTLS holds: aiortc reads only one for each datagram that arrives.

OpenSSL keeps messages that overtake the end of the handshake until the handshake is over. If there
are two of them, the second is delivered in place of the next message, that one in place of the one
after it, and so on for as long as the connection lasts: every bundle a tick late, every
acknowledgement only when something more arrives. With 60 ± 30 ms and 10 % loss one connection in
twenty began in this way.
"""

from typing import Any, cast

from aiortc.rtcsctptransport import RTCSctpTransport
from OpenSSL import SSL

MOST = 2048
"""Bytes that are read at most for one message; a datagram holds less."""


def drain_records(sctp: RTCSctpTransport) -> None:
    """Make ``sctp`` keep reading after each message until DTLS has no more. Does nothing if aiortc
    lacks what is used here."""
    association, dtls = cast(Any, sctp), cast(Any, sctp.transport)
    if not all(hasattr(*part) for part in ((association, "_handle_data"), (dtls, "_ssl"), (dtls, "_data_receiver"))):
        return
    handle = association._handle_data

    async def handle_all(data: bytes) -> None:
        await handle(data)
        while data := _waiting(dtls):
            await handle(data)

    association._handle_data = handle_all


def _waiting(dtls: Any) -> bytes:
    """The next message that DTLS holds; empty if there is none, or the connection is over."""
    try:
        return cast(bytes, dtls._ssl.recv(MOST))
    except SSL.Error:  # nothing more; any other error shows when the next datagram arrives
        return b""
