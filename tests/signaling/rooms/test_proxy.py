"""The proxy's configuration from docker-compose.yml, run by a real nginx in front of two real servers
that share a real Redis."""

import asyncio
import contextlib
import re
import socket
import struct
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer
from aiortc import RTCSessionDescription
from ruamel.yaml import YAML

from bench.system_packages import program
from signaling.client import SignalingClient
from signaling.protocol import SignalingError
from signaling.rooms.server import ServerConfig, create_app
from tests.needs import needs
from tests.signaling.events import heard
from tests.waiting import PATIENCE

NGINX = program("nginx")
pytestmark = needs("nginx-light", "redis-server")

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"
MAIN = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; include {folder}/site.conf;
}}
"""


class Names(asyncio.DatagramProtocol):
    """Docker's name server, as far as nginx uses it: one name with several addresses (RFC 1035)."""

    def __init__(self, addresses):
        self.addresses = addresses

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        question = data[12 : data.index(b"\0", 12) + 5]
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(self.addresses), 0, 0)
        answers = [struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in self.addresses]
        self.transport.sendto(head + question + b"".join(answers), addr)


@contextlib.asynccontextmanager
async def nginx(folder, port, names_port, upstream, health_port, tls=None):
    """Run nginx with the adapted configuration; yields its URL. ``tls`` is (certificate, key), as in .env."""
    site = YAML(typ="safe").load(COMPOSE)["configs"]["nginx"]["content"]
    # As docker compose substitutes ${NAME:+text}.
    site = re.sub(r"\$\{TLS_CERTIFICATE:\+([^}]*)\}", r"\1" if tls else "", site).replace("$$", "$")
    for name, path in zip(("certificate", "key"), tls or (), strict=False):
        assert f"/run/secrets/{name};" in site
        site = site.replace(f"/run/secrets/{name};", f"{path};")
    ssl = " ssl" if tls else ""
    for what, instead in (
        (f"listen 8790{ssl};", f"listen 127.0.0.1:{port}{ssl};"),
        ("listen 127.0.0.1:8791;", f"listen 127.0.0.1:{health_port};"),
        ("resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names_port} valid=1s"),
        ("signaling:8790", f"signaling:{upstream}"),
    ):
        assert what in site
        site = site.replace(what, instead)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                assert process.returncode is None, (folder / "error.log").read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def test_peers_meet_behind_the_proxy_even_after_servers_are_replaced(tmp_path, redis):
    port = free_port()

    async def start(address):
        server = TestServer(create_app(ServerConfig(redis=redis.url, behind_proxy=True, per_address=3)), host=address, port=port)
        await server.start_server()
        return server

    servers = {address: await start(address) for address in ("127.0.0.1", "127.0.0.2")}
    names = Names(list(servers))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, local_addr=("127.0.0.1", 0))
    names_port = transport.get_extra_info("sockname")[1]
    (tmp_path / "nginx").mkdir()
    async with nginx(tmp_path / "nginx", free_port(), names_port, port, free_port()) as url, aiohttp.ClientSession() as session:
        for path, status in (("/healthz", 200), ("/", 200), ("/metrics", 404)):
            async with session.get(url + path) as answer:
                assert answer.status == status, path
        # The limits apply to the client's own address behind the proxy, and sending the header doesn't change it.
        sockets = []
        for _ in range(8):
            with contextlib.suppress(aiohttp.WSServerHandshakeError):
                sockets.append(await session.ws_connect(url + "/ws", headers={"X-Forwarded-For": f"192.0.2.{len(sockets)}"}))
        assert 3 <= len(sockets) <= 6  # three for each server
        for socket_ in sockets:
            await socket_.close()

        async def meet(room):
            async with SignalingClient(url, room) as a, SignalingClient(url, room) as b:
                await asyncio.gather(a.wait_for_peer(), b.wait_for_peer())
                await b.send(RTCSessionDescription("v=0\r\n", "offer"))
                assert (await heard(a, RTCSessionDescription)).sdp == "v=0\r\n"

        for number in range(4):  # through either server
            await meet(f"room{number}")
        # The servers are replaced by one at another address, to which the name now refers.
        servers["127.0.0.3"] = await start("127.0.0.3")
        names.addresses = ["127.0.0.3"]
        for gone in ("127.0.0.1", "127.0.0.2"):
            await servers.pop(gone).close()
        async with asyncio.timeout(PATIENCE):  # until the cached old addresses expire
            while True:
                try:
                    await meet("after")
                    break
                except SignalingError:
                    await asyncio.sleep(0.3)
    transport.close()
    for server in servers.values():
        await server.close()


async def test_the_proxy_serves_tls_with_the_configured_certificate(tmp_path):
    port, health_port = free_port(), free_port()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ]
    made = await asyncio.create_subprocess_exec(
        *words, "-keyout", str(key), "-out", str(certificate), stderr=asyncio.subprocess.DEVNULL
    )
    assert await made.wait() == 0
    server = TestServer(create_app(ServerConfig(behind_proxy=True)), host="127.0.0.1", port=port)
    await server.start_server()
    names = Names(["127.0.0.1"])
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, local_addr=("127.0.0.1", 0))
    names_port = transport.get_extra_info("sockname")[1]
    (tmp_path / "nginx").mkdir()
    tls = (certificate, key)
    async with (
        nginx(tmp_path / "nginx", free_port(), names_port, port, health_port, tls) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{url}/call/room", ssl=False) as answer:
            assert answer.status == 200
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        async with session.get(f"http://127.0.0.1:{health_port}/healthz") as answer:
            assert answer.status == 200
    transport.close()
    await server.close()
