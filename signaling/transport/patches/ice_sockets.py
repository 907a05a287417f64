"""Gives access to the sockets of a connection, to count datagrams: aioice offers no hook for that."""

from typing import Any

from aiortc import RTCPeerConnection


def protocols(connection: RTCPeerConnection) -> list[Any]:
    """aioice's datagram protocols of a connection whose candidates are gathered, each with ``transport`` and
    ``datagram_received``; empty if this aiortc keeps them elsewhere."""
    assert connection.sctp is not None
    ice = getattr(connection.sctp.transport.transport.iceGatherer, "_connection", None)
    return list(getattr(ice, "_protocols", ()))
