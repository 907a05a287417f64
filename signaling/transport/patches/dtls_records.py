"""All that DTLS has, not only the first of it: aiortc reads one message for each datagram that comes.

Messages that overtake the end of the handshake are kept by OpenSSL until that is over. Where there
are two of them, the second comes in place of the next message, that in place of the one after it,
and so on for as long as the connection lives: every bundle a tick late, every acknowledgement when
something more arrives. With 60 ± 30 ms and 10 % loss one connection in twenty began so.
"""

from typing import Any, cast

from aiortc.rtcsctptransport import RTCSctpTransport
from OpenSSL import SSL

MOST = 2048
"""Bytes of the longest message asked for; a datagram holds less."""


def drain_records(sctp: RTCSctpTransport) -> None:
    """Let ``sctp`` read on after each message until DTLS has no more. Leaves it alone where aiortc
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
    """The next message that DTLS holds; empty where there is none, or the connection is over."""
    try:
        return cast(bytes, dtls._ssl.recv(MOST))
    except SSL.Error:  # nothing more; what else may be wrong shows when the next datagram comes
        return b""
