"""Messages and limits of the two data channels, without a connection."""

import asyncio
from collections import deque
from types import SimpleNamespace

import pytest
from pyee.asyncio import AsyncIOEventEmitter

from signaling.transport.channels import MAX_CONTROL, MEDIA_LIMIT, Channels, PeerError


class Channel(AsyncIOEventEmitter):
    """A data channel created by the remote peer."""

    def __init__(self, label):
        super().__init__()
        self.label, self.readyState = label, "open"
        self.ordered, self.maxRetransmits, self.maxPacketLifeTime = label == "control", None if label == "control" else 0, None

    def close(self):
        self.readyState = "closed"


@pytest.fixture
def both():
    got, lost = [], []
    channels = Channels(
        lambda data: got.append(("media", data)), lambda data: got.append(("control", data)), lambda: lost.append(1)
    )
    channels.got, channels.lost = got, lost
    return channels


def test_control_messages_wait_until_both_channels_are_open(both):
    """The packet that opens the other channel may be lost. Until it is repeated, messages could not be answered."""
    control, media = Channel("control"), Channel("media")
    both.accept(control)
    for data in (b"1", b"2"):
        control.emit("message", data)
    assert both.got == []
    both.accept(media)
    assert both.got == [("control", b"1"), ("control", b"2")]
    media.emit("message", b"3")
    control.emit("message", b"4")
    assert both.got[2:] == [("media", b"3"), ("control", b"4")]
    assert not both.lost


def test_the_size_of_waiting_control_messages_is_limited(both):
    control = Channel("control")
    both.accept(control)
    control.emit("message", bytes(MAX_CONTROL))
    assert not both.lost
    control.emit("message", b"1")
    assert both.lost
    assert both.got == []


def test_bundles_are_sent_before_waiting_pieces_of_a_keyframe(both):
    control, media = Channel("control"), Channel("media")
    queue = deque[tuple[Channel, int, bytes]]()
    for channel in (control, media):
        channel.transport, channel.bufferedAmount = SimpleNamespace(_data_channel_queue=queue), 0
        channel.send = lambda data, channel=channel: queue.append((channel, 53, data))
        both.accept(channel)
    for data in (b"k1", b"k2"):
        control.send(data)
    for data in (b"b1", b"b2"):
        assert both.send_media(data)
    control.send(b"k3")
    assert [data for _, _, data in queue] == [b"b1", b"b2", b"k1", b"k2", b"k3"]


async def test_a_message_too_large_for_the_peer_does_not_end_the_connection(both):
    def refuse(data):
        raise ValueError("Cannot send message")

    for label in ("control", "media"):
        channel = Channel(label)
        channel.bufferedAmount, channel.send = 0, refuse
        both.accept(channel)
    assert not both.send_media(b"bundle")
    assert both.media_dropped == 1
    with pytest.raises(PeerError, match="takes no message of 5 bytes"):
        await both.send_control(b"hello")


async def test_a_full_queue_is_flushed_even_if_the_message_is_dropped(both):
    flushed = []

    async def flush():
        flushed.append(1)

    for label in ("control", "media"):
        channel = Channel(label)
        channel.transport, channel.bufferedAmount = SimpleNamespace(_data_channel_flush=flush), MEDIA_LIMIT + 1
        both.accept(channel)
    assert not both.send_media(b"bundle")
    await asyncio.sleep(0)
    assert flushed == [1]
