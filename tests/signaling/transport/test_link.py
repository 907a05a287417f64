"""A link that keeps its connection: dead networks, restarts of the server, and messages sent meanwhile."""

import asyncio
import contextlib

import pytest
from aiohttp.test_utils import TestServer, unused_port

from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.rooms.server import create_app
from signaling.transport.link import QUIET, Link
from tests.waiting import PATIENCE, until


class Side:
    """A peer with a link that is kept, and what it has received."""

    def __init__(self, client):
        self.client, self.media, self.connections, self.left = client, [], 0, asyncio.Event()
        self.connected_at = 0.0
        self.link = Link(IceConfig(), self.media.append, lambda peer, data: None, self._connected, self.left.set)
        self.keeping = asyncio.create_task(self.link.keep(client))

    async def _connected(self):
        self.connections += 1
        self.connected_at = asyncio.get_running_loop().time()

    def send(self, data):
        return self.link.peer is not None and self.link.peer.send_media(data)

    def cut(self):
        """Drop all further packets of the current connection."""
        for protocol in self.link.peer._pc.sctp.transport.transport.iceGatherer._connection._protocols:
            protocol.datagram_received = lambda data, addr: None

    async def close(self):
        self.keeping.cancel()
        await asyncio.gather(self.keeping, return_exceptions=True)
        await self.link.close()


@contextlib.asynccontextmanager
async def two(url):
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        a, b = Side(first), Side(second)
        talk = asyncio.create_task(chatter(a, b))
        try:
            await until(lambda: a.connections == b.connections == 1)
            yield a, b
        finally:
            talk.cancel()
            await asyncio.gather(a.close(), b.close())


async def chatter(*sides):
    """All peers send continuously, as in a call."""
    number = 0
    while True:
        for side in sides:
            side.send(number.to_bytes(4, "big"))
        number += 1
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("cut", ["ab", "a", "b"])
async def test_a_dead_connection_is_replaced_at_once(url, cut):
    async with two(url) as (a, b):
        await until(lambda: a.media and b.media)
        for name in cut:
            {"a": a, "b": b}[name].cut()
        reasons = []
        for side in (a, b):
            side.link.peer.leave = lambda why, leave=side.link.peer.leave: (reasons.append(why), leave(why))
        await until(lambda: a.connections == b.connections == 2)
        # The first to notice leaves because of the silence, before aiortc gives up; the other may learn of the new connection.
        assert reasons[0] == "silent"
        a.media.clear()
        b.media.clear()
        await until(lambda: len(a.media) > 3 and len(b.media) > 3)
        assert a.link.connected.is_set()
        assert b.link.connected.is_set()
        out, into, seconds = a.link.wire_total()
        assert min(out, into) > 2500  # the first handshake is still counted
        assert seconds > QUIET


async def test_two_silent_peers_stay_connected(url):
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        a, b = Side(first), Side(second)
        await until(lambda: a.connections == b.connections == 1)
        await asyncio.sleep(QUIET + 1)
        assert (a.connections, b.connections) == (1, 1)
        assert a.link.connected.is_set()
        await asyncio.gather(a.close(), b.close())


async def test_a_connection_on_which_both_peers_pause_is_kept(url):
    """While the first keyframe is sent, both peers may send very little for some seconds."""
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        a, b = Side(first), Side(second)
        await until(lambda: a.connections == b.connections == 1)
        for number in range(3):
            a.send(bytes([number]))
            b.send(bytes([number]))
            await asyncio.sleep(0.1)
        await until(lambda: a.media and b.media)
        await asyncio.sleep(QUIET + 1)
        assert (a.connections, b.connections) == (1, 1)
        await asyncio.gather(a.close(), b.close())


@pytest.mark.parametrize("dead", [False, True])
async def test_a_hang_up_is_received_over_signaling_even_if_the_connection_is_dead(url, dead):
    async with two(url) as (a, b):
        await until(lambda: a.media and b.media)
        if dead:
            a.cut()
            b.cut()
        await b.client.close()
        await asyncio.wait_for(a.left.wait(), PATIENCE)
        assert not b.left.is_set()


async def test_a_hang_up_during_reconnection_is_noticed(url, monkeypatch):
    """The connection is lost before the goodbye from signaling is read: the link must not wait for ever."""
    async with two(url) as (a, b):
        await until(lambda: a.media and b.media)
        holding = asyncio.Event()
        waiting = a.client.wait_for_peer

        async def later():
            await holding.wait()
            return await waiting()

        monkeypatch.setattr(a.client, "wait_for_peer", later)
        a.link.peer._end("lost")
        await b.client.close()
        await until(lambda: not a.client.peer.present)
        holding.set()
        await asyncio.wait_for(a.left.wait(), PATIENCE)


async def test_the_old_connection_is_used_while_a_new_one_is_made(url):
    async with two(url) as (a, b):
        await until(lambda: len(b.media) > 3)
        old = a.link.peer
        a.link.peer.leave("silent")
        await until(lambda: not a.link.connected.is_set() or a.link.peer is not old)
        before = int.from_bytes(b.media[-1], "big")
        await until(lambda: a.connections == b.connections == 2)
        await asyncio.sleep(0.3)
        numbers = {int.from_bytes(m, "big") for m in b.media}
        # Only messages that one peer sent on the old connection after the other had closed it were lost.
        apart = abs(a.connected_at - b.connected_at)
        assert len(set(range(before, max(numbers))) - numbers) <= 2 + apart / 0.1
        assert old.closed.is_set()


async def test_without_the_server_the_connection_is_kept_and_replaced_only_once_it_is_dead():
    port = unused_port()
    async with TestServer(create_app(), port=port) as server:
        url = str(server.make_url("/"))
        first, second = SignalingClient(url, "r"), SignalingClient(url, "r")
        await first.__aenter__()
        await second.__aenter__()
        a, b = Side(first), Side(second)
        talk = asyncio.create_task(chatter(a, b))
        await until(lambda: a.connections == b.connections == 1)
    try:
        await asyncio.sleep(1.0)
        a.media.clear()
        await until(lambda: len(a.media) > 3)
        async with TestServer(create_app(), port=port):
            await until(lambda: first.peer.present and second.peer.present)
            await until(lambda: a.media and b.media)
            await asyncio.sleep(0.5)
            assert (a.connections, b.connections) == (1, 1)
            a.cut()
            b.cut()
            await until(lambda: a.connections == b.connections == 2)
            talk.cancel()
            await asyncio.gather(a.close(), b.close())
            await asyncio.gather(first.close(), second.close())
    finally:
        talk.cancel()


async def test_the_very_first_message_can_be_answered(url):
    """A message may arrive with the packet that opens its channel, before the link knows of the new connection."""
    answered, answers = asyncio.Event(), []

    def asked(peer, data):
        answers.append(asyncio.ensure_future(peer.send_control(b"answer")))

    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        link = Link(IceConfig(), lambda data: None, asked, noted)
        other = Link(IceConfig(), lambda data: None, lambda peer, data: answered.set(), lambda: other.peer.send_control(b"asked"))
        keeping = [asyncio.create_task(side.keep(client)) for side, client in ((link, first), (other, second))]
        await asyncio.wait_for(answered.wait(), PATIENCE)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(link.close(), other.close())
    assert answers


async def noted():
    """A callback for new connections that does nothing."""
