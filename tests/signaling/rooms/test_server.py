import asyncio
import contextlib
import json

import aiohttp
import pytest

from signaling.protocol import MAX_MESSAGE, Ready
from signaling.rooms.rooms import MemoryRooms
from signaling.rooms.server import BURST
from tests.waiting import PATIENCE, until

OFFER = {"type": "offer", "sdp": "v=0\r\n"}
TOKENS = ("a" * 20, "b" * 20, "c" * 20)


class Raw:
    """A plain WebSocket client, as any program could use."""

    def __init__(self, socket):
        self.socket = socket

    async def say(self, message):
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self):
        received = await asyncio.wait_for(self.socket.receive(), PATIENCE)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        return json.loads(received.data)

    async def refused(self):
        """The code of the error that the server sends before it closes the socket."""
        error = await self.hear()
        assert error["type"] == "error"
        assert error["message"]
        assert (await asyncio.wait_for(self.socket.receive(), PATIENCE)).type is aiohttp.WSMsgType.CLOSE
        return error["code"]


@pytest.fixture
async def connect(server):
    """A function that opens sockets; with a room, it joins and reads the first two replies."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def connect(room=None, **options):
            token = options.pop("token", None)
            peer = Raw(await stack.enter_async_context(session.ws_connect(server.make_url("/ws"), **options)))
            if room is None:
                return peer
            await peer.say({"type": "join", "room": room} | ({"token": token} if token else {}))
            return peer, await peer.hear(), await peer.hear()

        yield connect


async def test_messages_for_a_peer_wait_until_it_has_joined(connect, monkeypatch):
    look = MemoryRooms.view

    async def early(rooms, name, member):
        await member.deliver(Ready())
        return await look(rooms, name, member)

    monkeypatch.setattr(MemoryRooms, "view", early)
    _, joined, then = await connect("r")
    assert (joined["type"], then["type"]) == ("joined", "ready")


async def test_two_join_and_talk(connect):
    a, joined_a, alone = await connect("r")
    ice = [{"urls": ["turn:turn.example:3478"], "username": "user", "credential": "pass"}]
    assert joined_a == {"type": "joined", "room": "r", "polite": False, "ice": ice}
    assert alone["present"] is False
    b, joined_b, sees_a = await connect("r")
    assert joined_b["polite"] is True
    sees_b = await a.hear()
    assert (sees_b["present"], sees_b["offer"]) == (True, True)
    assert (sees_a["present"], sees_a["offer"]) == (True, False)
    assert sees_a["peer"] != sees_b["peer"]
    candidate = {"type": "candidate", "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "id": "0", "label": 0}
    for message in (OFFER, candidate, {"type": "ready"}, {"type": "bye"}):
        await a.say(message)
        assert await b.hear() == message


async def test_a_third_peer_is_refused_and_the_two_do_not_notice(connect):
    a, *_ = await connect("r")
    b, *_ = await connect("r")
    await a.hear()
    third = await connect()
    await third.say({"type": "join", "room": "r", "token": TOKENS[2]})
    assert await third.refused() == "room_full"
    await a.say(OFFER)
    assert await b.hear() == OFFER


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ({"type": "dance"}, "unknown_type"),
        ({"type": "offer"}, "bad_message"),
        ({"type": "peer", "present": True}, "unknown_type"),
        ({"type": "join", "room": "r"}, "already_joined"),
        ("x" * (MAX_MESSAGE + 1), "too_large"),
        ("x" * 1_000_000, "too_large"),
    ],
)
async def test_a_bad_message_disconnects_its_sender_and_the_other_is_notified(connect, message, code):
    a, *_ = await connect("r")
    b, *_ = await connect("r")
    await a.hear()
    await a.say(message)
    assert await a.refused() == code
    assert await b.hear() == {"type": "peer", "present": False, "offer": False, "peer": ""}


async def test_binary_and_flood_are_refused(connect):
    a, *_ = await connect("r")
    await a.socket.send_bytes(b"\x00")
    assert await a.refused() == "bad_message"
    b, *_ = await connect("r")
    for _ in range(10 * BURST):
        await b.say({"type": "ready"})
    while (message := await b.hear())["type"] != "error":
        assert message["present"] is False
    assert message["code"] == "too_many_messages"


async def test_messages_before_joining_are_refused(connect):
    peer = await connect()
    await peer.say(OFFER)
    assert await peer.refused() == "not_joined"
    peer = await connect()
    await peer.say({"type": "join", "room": "a b"})
    assert await peer.refused() == "bad_room"


@pytest.mark.impatient
async def test_a_client_that_does_not_join_is_disconnected(connect):
    silent = await connect()
    assert await silent.refused() == "stale"


@pytest.mark.impatient
async def test_a_stale_peer_is_removed_and_the_live_one_stays(connect):
    a, *_ = await connect("r")
    dead, *_ = await connect("r", autoping=False)  # It does not answer pings.
    await a.hear()
    async with asyncio.timeout(PATIENCE):
        gone, error = await asyncio.gather(a.hear(), _last_text(dead))
    assert gone["present"] is False
    assert error["code"] == "stale"
    _, joined, sees = await connect("r")
    assert (joined["polite"], sees["present"]) == (True, True)


async def _last_text(peer):
    while (message := await peer.socket.receive()).type is aiohttp.WSMsgType.PING:
        pass
    return json.loads(message.data)


async def test_leaving_notifies_the_other_and_frees_the_place(connect):
    a, *_ = await connect("r")
    b, *_ = await connect("r")
    first = await a.hear()
    await b.socket.close()
    assert (await a.hear())["present"] is False
    await a.say(OFFER)  # Nobody is there: it is dropped, and the sender is notified.
    assert (await a.hear())["present"] is False
    c, joined, sees = await connect("r")
    assert (joined["polite"], sees["offer"]) == (True, False)
    second = await a.hear()
    assert second["offer"] is True
    assert second["peer"] != first["peer"]
    with pytest.raises(TimeoutError):  # The earlier offer was not kept.
        await asyncio.wait_for(c.socket.receive(), 0.2)


async def test_reconnecting_peer_takes_its_place(connect):
    a, _, _ = await connect("r", token=TOKENS[0])
    b, *_ = await connect("r", token=TOKENS[1])
    label = (await a.hear())["peer"]
    assert TOKENS[1] not in label
    again, joined, sees = await connect("r", token=TOKENS[1])
    assert await b.refused() == "replaced"
    assert (joined["polite"], sees["offer"]) == (True, False)
    back = await a.hear()
    assert (back["present"], back["offer"], back["peer"]) == (True, True, label)
    await a.say(OFFER)
    assert await again.hear() == OFFER
    await again.socket.close()  # Gone and back again: still the same peer.
    assert (await a.hear())["present"] is False
    await connect("r", token=TOKENS[1])
    assert (await a.hear())["peer"] == label


async def test_rooms_are_limited_and_dropped_when_empty(connect):
    sockets = [(await connect(name))[0] for name in ("a", "b", "c")]
    late = await connect()
    await late.say({"type": "join", "room": "d"})
    assert await late.refused() == "server_full"
    await sockets[0].socket.close()

    async def joins():
        """Whether a join succeeds: the place is free once the server has noticed that the other is gone."""
        peer = await connect()
        await peer.say({"type": "join", "room": "d"})
        return (await peer.hear())["type"] == "joined"

    await until(joins)


async def test_pages_health_and_errors(server, connect):
    await connect("here")
    async with aiohttp.ClientSession(server.make_url("/")) as session:
        async with session.get("/") as page:
            assert "facewire call" in await page.text()
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        for path in ("/index.js", "/index.css", "/page.css", "/icon.svg"):
            async with session.get(path) as file:
                assert file.status == 200
        async with session.get("/healthz") as health:
            assert await health.json() == {"status": "ok", "rooms": 1, "peers": 1}
        async with session.get("/rooms/here") as room:
            assert await room.json() == {"room": "here", "peers": 1}
        for path, status in (("/rooms/a%0a", 400), ("/none", 404), ("/../config.py", 404), ("/ws", 426)):
            async with session.get(path) as answer:
                assert answer.status == status
                assert (await answer.json())["error"]["message"]


async def test_peers_are_notified_of_a_shutdown(server, connect):
    a, *_ = await connect("r")
    closing = asyncio.create_task(server.close())
    assert await a.refused() == "shutdown"
    await closing


async def test_a_peer_that_reads_nothing_is_dropped_and_delays_nobody(connect, monkeypatch):
    """The server must time out twice: aiohttp waits on its own waiter, which the first timeout has cancelled."""
    monkeypatch.setattr("signaling.rooms.sockets.SEND_TIMEOUT", 0.2)
    deaf, *_ = await connect("a", token=TOKENS[0])
    other, *_ = await connect("a", token=TOKENS[1])
    deaf.socket._conn.protocol.pause_reading()

    async def talk():
        while True:
            await other.say({"type": "offer", "sdp": "v=0\r\n" + "a" * 60_000})
            await asyncio.sleep(0.06)

    talking = asyncio.create_task(talk())
    while (heard := await other.hear())["type"] != "peer" or heard["present"]:
        pass
    talking.cancel()
    newcomer, *_ = await connect("a", token=TOKENS[2])
    while not (await other.hear())["present"]:
        pass
    await other.say(OFFER)
    assert await newcomer.hear() == OFFER
