"""How an SCTP association begins on a network that loses packets."""

from typing import Any

from aiortc.rtcsctptransport import InitChunk


def fix_init_handling(sctp: Any) -> None:
    """Correct how aiortc's association begins on a network that loses packets. Both peers of a data
    channel send an INIT (RFC 8841).

    Every INIT is sent with the tag 0 (RFC 9260, section 8.5.1): aiortc puts the tag of the peer's
    INIT on its own next INIT, which the peer drops; if both answers to the first two are lost, no
    association is ever established. A late copy of the peer's INIT is ignored (section 5.2.2):
    aiortc would restart its counters. And attempts continue for as long as they are wanted: aiortc
    gives up after nine messages, whatever time that takes.
    """
    if not all(hasattr(sctp, name) for name in ("_send_chunk", "_receive_chunk", "_remote_verification_tag", "_t1_failures")):
        return
    send, receive = sctp._send_chunk, sctp._receive_chunk

    async def received(chunk: Any) -> None:
        established = sctp._association_state == sctp.State.ESTABLISHED
        if not (established and isinstance(chunk, InitChunk) and chunk.initiate_tag == sctp._remote_verification_tag):
            await receive(chunk)

    async def marked(chunk: Any) -> None:
        sctp._t1_failures = 0
        tag = sctp._remote_verification_tag
        if not isinstance(chunk, InitChunk) or not tag:
            await send(chunk)
            return
        sctp._remote_verification_tag = 0
        try:
            await send(chunk)
        finally:
            if not sctp._remote_verification_tag:
                sctp._remote_verification_tag = tag

    sctp._send_chunk, sctp._receive_chunk = marked, received
