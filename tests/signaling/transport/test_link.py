"""A connection that is kept: dead networks, restarts of the server, and what goes on meanwhile."""

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
    """One side: its link, kept, and what came."""

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
        """The network of the connection of now brings nothing any more."""
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
    """Both send all the time, as sides of a call do."""
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
        # Whoever notices first leaves for the silence, not when aiortc gives up; the other may be told of the new one.
        assert reasons[0] == "silent"
        a.media.clear()
        b.media.clear()
        await until(lambda: len(a.media) > 3 and len(b.media) > 3)
        assert a.link.connected.is_set()
        assert b.link.connected.is_set()
        out, into, seconds = a.link.wire_total()
        assert min(out, into) > 2500  # the first handshake is still counted
        assert seconds > QUIET


async def test_two_who_have_nothing_to_say_stay_connected(url):
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        a, b = Side(first), Side(second)
        await until(lambda: a.connections == b.connections == 1)
        await asyncio.sleep(QUIET + 1)
        assert (a.connections, b.connections) == (1, 1)
        assert a.link.connected.is_set()
        await asyncio.gather(a.close(), b.close())


async def test_who_was_not_asked_need_not_answer(url):
    """While the first keyframe is on its way, neither side may say much for some seconds."""
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
async def test_who_hangs_up_is_heard_over_signaling_where_the_connection_is_dead(url, dead):
    async with two(url) as (a, b):
        await until(lambda: a.media and b.media)
        if dead:
            a.cut()
            b.cut()
        await b.client.close()
        await asyncio.wait_for(a.left.wait(), PATIENCE)
        assert not b.left.is_set()


async def test_who_hung_up_while_nobody_listened_is_heard(url, monkeypatch):
    """The connection is lost before anybody reads the goodbye that signaling brought: nobody may wait for ever."""
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


async def test_while_a_new_connection_is_made_the_old_one_carries(url):
    async with two(url) as (a, b):
        await until(lambda: len(b.media) > 3)
        old = a.link.peer
        a.link.peer.leave("silent")
        await until(lambda: not a.link.connected.is_set() or a.link.peer is not old)
        before = int.from_bytes(b.media[-1], "big")
        await until(lambda: a.connections == b.connections == 2)
        await asyncio.sleep(0.3)
        numbers = {int.from_bytes(m, "big") for m in b.media}
        # Nothing was lost on the way over but what one side sent on the old connection when the other had closed it.
        apart = abs(a.connected_at - b.connected_at)
        assert len(set(range(before, max(numbers))) - numbers) <= 2 + apart / 0.1
        assert old.closed.is_set()


async def test_without_the_server_an_old_connection_is_kept_and_with_it_again():
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


async def test_what_comes_first_of_all_can_be_answered(url):
    """A message may come with the packet that opens its channel, before the link knows of the new connection."""
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
    """A new connection is up."""
