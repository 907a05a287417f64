"""A call through a real coturn, with credentials that the signaling server derives from the shared secret."""

import asyncio
import contextlib
import os
import shutil
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.calls.relay import SignalingProxy
from signaling.client import SignalingClient
from signaling.config import IceConfig, IceServer
from signaling.rooms.server import ServerConfig, create_app
from signaling.transport.channels import PeerError
from signaling.transport.link import Link
from signaling.transport.peer import Peer
from tests.needs import needs
from tests.waiting import PATIENCE, until

# Debian may install coturn in a folder that is only in root's PATH.
TURNSERVER = shutil.which("turnserver", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
pytestmark = needs("coturn")

SECRET = "a-secret-that-both-servers-know"


class OnlyRelayed:
    """In place of a bad network: removes all candidates from a description except those of a TURN server."""

    def __init__(self):
        self.relayed = 0

    async def rewrite(self, kind, sdp):
        lines = [line for line in sdp.splitlines() if not line.startswith("a=candidate:") or " typ relay" in line]
        self.relayed += sum(line.startswith("a=candidate:") for line in lines)
        return "\r\n".join(lines) + "\r\n"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
async def turn(tmp_path):
    """The port of a coturn on loopback."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        TURNSERVER, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=facewire.test", "--fingerprint", "--no-tls", "--no-dtls",
        "--no-cli", "--allow-loopback-peers", "--log-file=stdout", f"--pidfile={tmp_path / 'turn.pid'}",
        f"--userdb={tmp_path / 'turn.db'}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            while True:  # until it accepts TCP connections
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def clients(port, secret, *before):
    """Two clients of a server that issues credentials for the TURN server, behind a proxy that keeps only
    relayed candidates. ``before`` are TURN URLs listed before that of the TURN server."""
    ice = IceConfig(servers=(IceServer(urls=(*before, f"turn:127.0.0.1:{port}?transport=udp"), secret=secret),))
    only = OnlyRelayed()
    async with TestServer(create_app(ServerConfig(ice))) as server:
        proxy = web.AppRunner(SignalingProxy(str(server.make_url("")).rstrip("/"), only).app, shutdown_timeout=1.0)
        await proxy.setup()
        await web.TCPSite(proxy, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{proxy.addresses[0][1]}"
        try:
            async with SignalingClient(url, "r") as a, SignalingClient(url, "r") as b:
                yield a, b, only
        finally:
            await proxy.cleanup()


async def test_two_peers_talk_through_coturn(turn):
    async with clients(turn, SECRET) as (a, b, only):
        assert a.ice.servers[0].secret is None  # the secret never leaves the server
        assert a.ice.servers[0].username
        heard = {"a": [], "b": []}
        one = Peer(a.ice, heard["a"].append, lambda data: None)
        other = Peer(b.ice, heard["b"].append, lambda data: None)
        await asyncio.gather(one.connect(a, PATIENCE), other.connect(b, PATIENCE))
        assert only.relayed == 2

        def heard_enough() -> bool:  # the channel may lose messages
            for peer in (one, other):
                peer.send_media(bytes(250))
            return min(map(len, heard.values())) >= 5

        await until(heard_enough)
        pairs = [p.remote_candidate.type for p in one._pc.sctp.transport.transport._connection._nominated.values()]
        assert pairs == ["relay"]
        assert {*heard["a"], *heard["b"]} == {bytes(250)}
        await asyncio.gather(one.close(), other.close())


async def test_with_another_secret_no_connection_is_made(turn):
    async with clients(turn, "another") as (a, b, only):
        one, other = (Peer(c.ice, lambda data: None, lambda data: None) for c in (a, b))
        found = await asyncio.gather(one.connect(a, 6), other.connect(b, 6), return_exceptions=True)
        assert only.relayed == 0
        assert all(isinstance(error, PeerError) for error in found)


async def test_if_the_first_turn_server_does_not_answer_the_next_is_tried(turn, monkeypatch):
    """As with a firewall that blocks UDP, where the second URL would be the same server over TCP."""
    monkeypatch.setattr("signaling.transport.link.CONNECT_SECONDS", 4.0)
    async with clients(turn, SECRET, f"turn:127.0.0.1:{free_port()}?transport=udp") as (a, b, only):
        links, up = [], [asyncio.Event(), asyncio.Event()]
        for event in up:

            async def connected(event=event):
                event.set()

            links.append(Link(IceConfig(), lambda data: None, lambda peer, data: None, connected))
        keeping = [asyncio.create_task(link.keep(client)) for link, client in zip(links, (a, b), strict=True)]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(event.wait() for event in up))
        assert only.relayed >= 2
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in links))
