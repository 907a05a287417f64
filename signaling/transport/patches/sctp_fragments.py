"""Limits what an SCTP association keeps of messages that have not arrived completely."""

import logging
from typing import Any

from signaling.transport.patches.patch_list import needs

log = logging.getLogger(__name__)

BYTES_MOST = 262_144
"""Bytes of incomplete messages, over all streams: the largest message that is accepted has 65,536."""
PIECES_MOST = 1024
"""Chunks of incomplete messages in one stream."""


def limit_reassembly(sctp: Any) -> None:
    """End the association if more than these limits waits.

    aiortc keeps all chunks, whatever window it has offered (RFC 9260, section 6.2), and searches all
    of a stream's chunks for each that arrives: a message that never ends would fill the memory and
    block the event loop. Nothing that the peer may send comes near these limits.
    """
    if not all(hasattr(sctp, name) for name in needs("sctp_fragments")):
        return
    receive, window, over = sctp._receive_data_chunk, sctp._advertised_rwnd, False

    async def received(chunk: Any) -> None:
        nonlocal over
        if over:
            return
        await receive(chunk)
        stream = sctp._inbound_streams.get(chunk.stream_id)
        if window - sctp._advertised_rwnd <= BYTES_MOST and (stream is None or len(stream.reassembly) <= PIECES_MOST):
            return
        log.warning("the connection is ended: the peer sends messages without an end")
        over = True
        sctp._inbound_streams.clear()
        await sctp._abort()
        sctp._set_state(sctp.State.CLOSED)

    sctp._receive_data_chunk = received
