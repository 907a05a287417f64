import asyncio
import contextlib

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer, unused_port
from aiortc import RTCSessionDescription
from aiortc.contrib.signaling import BYE, SignalingBye

from signaling.client import SignalingClient, call_link, invitation, socket_url
from signaling.protocol import Presence, Ready, SignalingError
from signaling.rooms.server import create_app
from tests.signaling.events import heard
from tests.waiting import PATIENCE, until

OFFER = RTCSessionDescription("v=0\r\n", "offer")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("http://h:8080", "ws://h:8080/ws"),
        ("https://h/", "wss://h/ws"),
        ("ws://h/ws", "ws://h/ws"),
        ("https://h/facewire", "wss://h/facewire/ws"),
        ("h:8080", "ws://h:8080/ws"),
    ],
)
def test_socket_url(server, expected):
    assert socket_url(server) == expected


@pytest.mark.parametrize("server", ["", "ftp://h", "http://", "http://h:99999", "http://[", "file:///etc/passwd"])
def test_bad_url(server):
    with pytest.raises(SignalingError) as caught:
        SignalingClient(server, "r")
    assert caught.value.code == "bad_url"


async def test_joins_and_exchanges_aiortc_objects(url):
    async with SignalingClient(url, "r") as a, SignalingClient(url, "r") as b:
        await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())
        assert (a.polite, b.polite, a.peer.offer, b.peer.offer) == (False, True, True, False)
        await a.send(OFFER)
        assert await heard(b, RTCSessionDescription) == OFFER
        await b.send(Ready())
        assert await heard(a, Ready) == Ready()
        await b.close()
        assert await heard(a, type(BYE)) is BYE
        with pytest.raises(SignalingError, match="closed"):
            await b.receive()


async def test_the_client_continues_when_the_peer_leaves_and_another_joins(url):
    async with SignalingClient(url, "r") as a:
        for _ in range(3):
            async with SignalingClient(url, "r") as b:
                await asyncio.wait_for(a.wait_for_peer(), PATIENCE)
                await a.send(OFFER)
                assert await heard(b, RTCSessionDescription) == OFFER
            while a.peer.present:
                await heard(a, Presence)


async def test_refusals_are_typed(url):
    with pytest.raises(SignalingError) as caught:
        SignalingClient(url, "no such room!")
    assert caught.value.code == "bad_room"
    async with SignalingClient(url, "r"), SignalingClient(url, "r"):
        with pytest.raises(SignalingError) as caught:
            async with SignalingClient(url, "r"):
                pass
        assert caught.value.code == "room_full"
    with pytest.raises(SignalingError) as caught:
        async with SignalingClient(f"http://127.0.0.1:{unused_port()}", "r"):
            pass
    assert caught.value.code == "unreachable"


@contextlib.asynccontextmanager
async def server_at(port):
    async with TestServer(create_app(), port=port) as server:
        yield str(server.make_url("/"))


async def test_a_client_regains_its_place_after_the_server_restarts():
    port = unused_port()
    async with server_at(port) as url:
        a, b = SignalingClient(url, "r"), SignalingClient(url, "r", patience=0.1)
        await a.__aenter__()
        await b.__aenter__()
        await a.wait_for_peer()
    with pytest.raises(SignalingError) as caught:  # b gives up soon.
        await heard(b, Ready)
    assert caught.value.code == "unreachable"
    async with server_at(port) as url, SignalingClient(url, "r") as c:
        await asyncio.wait_for(c.wait_for_peer(), PATIENCE)
        await asyncio.wait_for(a.wait_for_peer(), PATIENCE)
        await a.send(BYE)
        assert await heard(c, type(BYE)) is BYE
        await a.close()
    await b.close()


async def test_a_ping_shows_whether_the_server_answers():
    mute = False

    async def serve(request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.receive()
        await socket.send_str('{"type":"joined","room":"r","polite":false,"ice":[]}')
        async for message in socket:
            if message.type is WSMsgType.PING and not mute:
                await socket.pong(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws", serve)
    async with TestServer(app) as server, SignalingClient(str(server.make_url("/")), "r") as client:
        assert await client.alive(2.0)
        mute, dead = True, client._socket
        assert not await client.alive(0.2)
        async with asyncio.timeout(PATIENCE):  # the socket is opened again
            while client._socket is dead or client._socket.closed:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        mute = False
        assert await client.alive(2.0)
    with pytest.raises(SignalingError):
        await client.alive(0.2)


@pytest.mark.parametrize(
    "reply", ['{"type":"bye"}', "nonsense", '{"type":"joined","room":"r","polite":true,"ice":[{"urls":"x"}]}']
)
async def test_invalid_replies_of_a_server_are_errors(reply):
    async def answer(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_str(reply)
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/ws", answer)
    async with TestServer(app) as server:
        with pytest.raises(SignalingError) as caught:
            async with SignalingClient(str(server.make_url("/")), "r"):
                pass
    assert caught.value.code in ("bad_message", "bad_json")


async def test_a_goodbye_is_remembered_until_the_peer_has_left(url):
    """The notice that the peer has left comes a moment after its goodbye, which an ending connection may
    already have read."""
    async with SignalingClient(url, "r") as a, SignalingClient(url, "r") as b:
        assert await a.wait_for_peer()
        await b.send(BYE)
        while not isinstance(await a.receive(), SignalingBye):
            pass
        assert await a.wait_for_peer()  # the peer is still there
        await b.close()
        await until(lambda: not a.peer.present)
        assert await asyncio.wait_for(a.wait_for_peer(), PATIENCE) is False
        async with SignalingClient(url, "r"):
            assert await asyncio.wait_for(a.wait_for_peer(), PATIENCE)


async def test_a_goodbye_no_longer_counts_once_another_peer_has_joined(url):
    async with SignalingClient(url, "r") as a:
        async with SignalingClient(url, "r"):
            await a.wait_for_peer()
        await until(lambda: not a.peer.present)
        async with SignalingClient(url, "r"):
            await until(lambda: a.peer.present)
        await until(lambda: not a.peer.present)
        assert await a.wait_for_peer() is False
        with pytest.raises(TimeoutError):  # reported only once
            await asyncio.wait_for(a.wait_for_peer(), 0.1)


@pytest.mark.parametrize(
    ("server", "link"),
    [
        ("http://127.0.0.1:8790", "http://127.0.0.1:8790/call/r"),
        ("https://calls.example.org/", "https://calls.example.org/call/r"),
        ("wss://calls.example.org/below/ws", "https://calls.example.org/below/call/r"),
        ("calls.example.org:8790", "http://calls.example.org:8790/call/r"),
    ],
)
def test_the_link_for_a_browser(server, link):
    assert call_link(server, "r") == link
    assert call_link(server, "r", "r.123.abc") == f"{link}#r.123.abc"


def test_a_link_that_only_this_machine_can_open_says_so():
    assert invitation("http://localhost:8790", "r").endswith("name a server that both can reach with --server)")
    assert invitation("https://example.org", "r", "k" * 8) == "link for the other person: https://example.org/call/r#kkkkkkkk"


async def test_an_invalid_candidate_of_the_peer_is_ignored(url):
    async with SignalingClient(url, "r") as a, SignalingClient(url, "r") as b:
        await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())
        await b._socket.send_str('{"type":"candidate","candidate":"x"}')
        await b.send(Ready())
        assert await heard(a, Ready) == Ready()


async def test_a_lost_server_is_retried_while_a_connection_exists():
    port = unused_port()

    async def serve():
        runner = web.AppRunner(create_app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        return runner

    runner = await serve()
    async with SignalingClient(f"http://127.0.0.1:{port}", "r", patience=0.1) as client:
        client.spare = True
        await runner.cleanup()
        await asyncio.sleep(1.5)
        runner = await serve()
        async with SignalingClient(f"http://127.0.0.1:{port}", "r") as other:
            await asyncio.wait_for(other.wait_for_peer(), PATIENCE)
            await other.send(Ready())
            assert await heard(client, Ready) == Ready()
    await runner.cleanup()
