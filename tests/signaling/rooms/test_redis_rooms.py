"""Rooms shared by two servers, in a real Redis."""

import asyncio
from functools import partial

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from aiortc import RTCSessionDescription
from aiortc.contrib.signaling import BYE

from tests.needs import needs

pytest.importorskip("redis")

from signaling.client import SignalingClient
from signaling.protocol import Presence, Ready, SignalingError
from signaling.rooms.outbox import WAITING_MOST
from signaling.rooms.redis_rooms import RedisRooms
from signaling.rooms.server import ServerConfig, create_app
from tests.signaling.events import heard
from tests.waiting import PATIENCE, until

pytestmark = needs("redis-server")


@pytest.fixture
async def two(redis):
    """URLs of two servers that share rooms."""
    async with (
        TestServer(create_app(ServerConfig(redis=redis.url))) as a,
        TestServer(create_app(ServerConfig(redis=redis.url))) as b,
    ):
        yield str(a.make_url("/")), str(b.make_url("/"))


async def test_peers_of_two_servers_meet_and_part(two):
    async with SignalingClient(two[0], "r") as a:
        assert a.polite is False
        async with SignalingClient(two[1], "r") as b:
            assert b.polite is True
            await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())
            assert (a.peer.offer, b.peer.offer) == (True, False)
            await b.send(Ready())
            await heard(a, Ready)
            await a.send(RTCSessionDescription("v=0\r\n", "offer"))
            assert (await heard(b, RTCSessionDescription)).sdp == "v=0\r\n"
            await b.send(BYE)
            await heard(a, type(BYE))
        async with asyncio.timeout(PATIENCE):
            while a.peer.present:
                await heard(a, Presence)


async def _peers_are(session: aiohttp.ClientSession, url: str, count: int) -> bool:
    async with session.get(f"{url}rooms/r") as answer:
        return (await answer.json())["peers"] == count


async def test_a_third_peer_is_refused_and_places_become_free_again(two):
    async with SignalingClient(two[0], "r"), SignalingClient(two[1], "r"):
        for url in two:
            with pytest.raises(SignalingError) as caught:
                await SignalingClient(url, "r").__aenter__()
            assert caught.value.code == "room_full"
        async with SignalingClient(two[0], "other"), aiohttp.ClientSession() as session:
            for url in two:  # both servers know both rooms
                async with session.get(f"{url}rooms/r") as answer:
                    assert (await answer.json())["peers"] == 2
    async with aiohttp.ClientSession() as session:
        for url in two:  # a server frees a peer's place when it notices that the connection has ended
            await until(partial(_peers_are, session, url, 0))
    async with SignalingClient(two[1], "r") as late:
        assert late.polite is False


async def test_a_peer_regains_its_place_through_the_other_server(two):
    a, b = SignalingClient(two[0], "r", patience=5), SignalingClient(two[1], "r")
    await a.__aenter__()
    await b.__aenter__()
    await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())
    label = b.peer.peer
    a.url = a.url.replace(two[0].rsplit(":", 1)[1].strip("/"), two[1].rsplit(":", 1)[1].strip("/"))
    await a._socket.close()  # its network has changed; a proxy now connects it to the other server
    async with asyncio.timeout(PATIENCE):
        while a._socket.closed or not a.peer.present:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert b.peer.peer == label
    await a.send(Ready())
    await heard(b, Ready)
    await asyncio.gather(a.close(), b.close())


async def test_the_same_token_closes_the_older_connection_on_any_server(two):
    a = SignalingClient(two[0], "r", patience=0.1)
    await a.__aenter__()
    again = SignalingClient(two[1], "r")
    again._join = a._join
    async with again:
        with pytest.raises(SignalingError) as caught:
            await heard(a, type(BYE))
        assert caught.value.code == "replaced"
    await a.close()


async def test_without_redis_peers_get_an_error_and_once_it_is_back_they_meet(redis, two):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{two[0]}healthz") as answer:
            assert answer.status == 200
        await redis.stop()
        async with session.get(f"{two[0]}healthz") as answer:
            assert answer.status == 503
    with pytest.raises(SignalingError) as caught:
        await SignalingClient(two[0], "r").__aenter__()
    assert caught.value.code == "unavailable"
    await redis.start()
    async with asyncio.timeout(PATIENCE):  # until the servers have subscribed again
        while True:
            async with aiohttp.ClientSession() as session, session.get(f"{two[1]}healthz") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.1)
    async with asyncio.timeout(PATIENCE), SignalingClient(two[0], "r") as a, SignalingClient(two[1], "r") as b:
        await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())


async def test_the_places_of_a_crashed_server_expire(redis):
    async def deliver(told):
        return True

    dead, alive = RedisRooms(redis.url, 10, ttl=6.0), RedisRooms(redis.url, 10, ttl=6.0)
    await dead.open()
    await alive.open()
    await dead.enter("r", None, deliver)
    member = await alive.enter("r", None, deliver)
    await asyncio.sleep(7.0)  # both renew their places every two seconds
    assert await alive.count("r") == 2
    assert await alive.send("r", member, Ready())
    await dead.close()  # without notifying the room
    assert not await alive.send("r", member, Ready())  # nobody is subscribed to that channel
    async with asyncio.timeout(PATIENCE):
        while await alive.count("r") == 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (await alive.view("r", member)).first
    assert alive.totals() == (1, 1)
    assert await alive.leave("r", member)
    assert not await alive.leave("r", member)
    await alive.close()


async def test_an_invalid_redis_url_is_an_error():
    with pytest.raises(SignalingError) as caught:
        create_app(ServerConfig(redis="http://here"))
    assert caught.value.code == "bad_url"


async def test_rooms_beyond_the_limit_are_refused(redis):
    async def deliver(told):
        return True

    rooms = RedisRooms(redis.url, 1)
    await rooms.open()
    await rooms.enter("a", None, deliver)
    with pytest.raises(SignalingError) as caught:
        await rooms.enter("b", None, deliver)
    assert caught.value.code == "server_full"
    await rooms.enter("a", None, deliver)
    await rooms.close()


async def test_a_peer_that_does_not_read_does_not_delay_other_rooms(redis):
    rooms, heard, deaf = RedisRooms(redis.url, 10), [], asyncio.Event()
    await rooms.open()

    async def never(told):
        await deaf.wait()
        return False

    async def hears(told):
        heard.append(told)
        return True

    members = [
        await rooms.enter(name, None, deliver) for name, deliver in (("a", never), ("a", never), ("b", hears), ("b", hears))
    ]
    for _ in range(WAITING_MOST + 50):
        assert await rooms.send("a", members[0], Ready())
    assert await rooms.send("b", members[2], Ready())
    await until(lambda: heard == [Ready()])
    for name, member in zip("aabb", members, strict=True):
        await rooms.leave(name, member)
    await rooms.close()
