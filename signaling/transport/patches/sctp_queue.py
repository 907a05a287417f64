"""What aiortc's SCTP does not offer: its round trip, priorities of channels, and a flush of the queue
after its timer."""

import asyncio
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection


def round_trip(connection: RTCPeerConnection | None) -> float:
    """Smoothed round-trip time of the data channels in seconds, acknowledgement delay included; 0
    while unknown."""
    sctp = connection.sctp if connection is not None else None
    return float(getattr(sctp, "_srtt", None) or 0.0)


def go_first(channel: RTCDataChannel) -> None:
    """Move the message that was just sent on ``channel`` before those that wait on others.

    aiortc has no priorities (RFC 8831, section 6.4), and behind a keyframe's pieces a bundle would be
    late. Does nothing if aiortc has another queue.
    """
    waiting = getattr(channel.transport, "_data_channel_queue", None)
    if waiting and len(waiting) > 1 and waiting[-1][0] is channel:
        sent = waiting.pop()
        waiting.insert(next((at for at, (other, *_) in enumerate(waiting) if other is not channel), len(waiting)), sent)


def flush(channel: RTCDataChannel) -> "asyncio.Task[Any] | None":
    """Make aiortc process its queue: after its timer it does so only when something more is sent.
    None if it has no such function."""
    work = getattr(channel.transport, "_data_channel_flush", None)
    return asyncio.get_running_loop().create_task(work()) if work else None
