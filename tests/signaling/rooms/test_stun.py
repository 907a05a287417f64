"""The server's own STUN: requests of browsers and of aioice are answered, anything else is not."""

import asyncio
import socket

import pytest
from aiohttp import ClientSession, web
from aioice.stun import Class, Message, Method, parse_message
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

from signaling.config import IceConfig
from signaling.rooms.server import SERVER, ServerConfig, create_app
from signaling.rooms.stun import answer, serve_stun, stun_url
from tests.waiting import PATIENCE, until


def request() -> bytes:
    return bytes(Message(Method.BINDING, Class.REQUEST))


@pytest.mark.parametrize(
    ("seen", "told"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::5", "2001:db8::5"), ("fe80::1%eth0", "fe80::1")],
)  # fmt: skip
def test_the_response_contains_the_clients_address(seen: str, told: str) -> None:
    asked = request()
    found = parse_message(answer(asked, (seen, 4242)))
    assert found.message_class == Class.RESPONSE
    assert found.transaction_id == parse_message(asked).transaction_id
    assert found.attributes["XOR-MAPPED-ADDRESS"] == (told, 4242)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 20, request()[:19], b"\x01\x01" + request()[2:], request()[:4] + b"abcd" + request()[8:], b"\xff" * 1500],
)  # fmt: skip
def test_nothing_else_is_answered(data: bytes) -> None:
    assert answer(data, ("192.0.2.7", 1)) is None


def test_the_data_after_a_requests_header_does_not_matter() -> None:
    assert answer(request() + b"\xff" * 300, ("192.0.2.7", 1)) is not None


@pytest.mark.parametrize(
    ("host", "url"),
    [("a.example", "stun:a.example:8790"), ("[::1]:8790", "stun:[::1]:8790"), ("", "stun:localhost:8790")],
)  # fmt: skip
def test_the_stun_url_has_the_host_that_the_client_used(host: str, url: str) -> None:
    assert stun_url(host, 8790) == url


@pytest.fixture
async def app() -> web.Application:
    app = create_app()
    app.cleanup_ctx.append(serve_stun("127.0.0.1", 0, lambda port: setattr(app[SERVER], "stun_port", port), print))
    runner = web.AppRunner(app)
    await runner.setup()
    yield app
    await runner.cleanup()


async def test_aioice_gets_its_address_from_the_server(app: web.Application) -> None:
    made: list[str] = []

    class Heard(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            made.append(parse_message(data).attributes["XOR-MAPPED-ADDRESS"][0])

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Heard, remote_addr=("127.0.0.1", app[SERVER].stun_port)
    )
    transport.sendto(b"rubbish")
    transport.sendto(request())
    await until(lambda: made == ["127.0.0.1"])
    transport.close()
    server = RTCIceServer(f"stun:127.0.0.1:{app[SERVER].stun_port}")
    peer = RTCPeerConnection(RTCConfiguration([server]))
    peer.createDataChannel("x")
    await asyncio.wait_for(peer.setLocalDescription(await peer.createOffer()), PATIENCE)
    await peer.close()


@pytest.mark.parametrize(
    ("named", "first"),
    [([], "stun:a.example:5"), (["stun:b.example"], "stun:b.example"), (["turn:u:p@b.example"], "stun:a.example:5")],
)  # fmt: skip
async def test_joining_peers_get_the_servers_stun_unless_another_is_configured(named: list[str], first: str) -> None:
    app = create_app(ServerConfig(IceConfig.load(named)))
    app[SERVER].stun_port = 5
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/ws"
    async with ClientSession() as session, session.ws_connect(url, headers={"Host": "a.example:8790"}) as peer:
        await peer.send_json({"type": "join", "room": "a"})
        told = (await peer.receive_json(timeout=PATIENCE))["ice"]
    await runner.cleanup()
    assert told[0]["urls"] == [first]
    assert len(told) == max(1, len(named)) + (first.endswith(":5") and bool(named))


async def test_if_the_stun_port_is_taken_the_server_runs_without_stun() -> None:
    said: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        app = create_app()
        app.cleanup_ctx.append(serve_stun("127.0.0.1", taken.getsockname()[1], lambda _: pytest.fail("not ready"), said.append))
        runner = web.AppRunner(app)
        await runner.setup()
        await runner.cleanup()
    assert len(said) == 1
    assert said[0].startswith("no STUN at UDP port")
