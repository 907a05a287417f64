"""``facewire serve`` as a process, as users run it: it serves, notifies peers at its end, and logs no room names."""

import asyncio
import signal

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from bench.browsers.chromium import line_with
from signaling.call_page import _network
from signaling.client import SignalingClient
from signaling.rooms import serve
from signaling.rooms.server import ServerConfig
from tests.e2e.processes import facewire, finish
from tests.signaling.rooms.test_access import self_signed
from tests.waiting import PATIENCE, until

ROOM = "secret-room"


def network() -> str:
    """The URL path of a large file."""
    return f"/networks/{_network('step.onnx')[1]}/step.onnx"


async def unreadable(port: int) -> None:
    """Send an invalid request, and one with an invalid origin."""
    for lines in (f"GET /call/{ROOM} room HTTP/1.1\r\n\r\n", "GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: http://[\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(lines.encode())
        assert b" 40" in await reader.readline()
        writer.close()


@pytest.mark.e2e
async def test_the_server_works_and_notifies_its_peers_when_it_ends() -> None:
    port = unused_port()
    process = await facewire("serve", "--host", "127.0.0.1", "--port", str(port), "--log-json")
    try:
        said = await line_with("Running on", process.stderr, "facewire serve")
        url = f"http://127.0.0.1:{port}"
        assert url in said
        async with aiohttp.ClientSession() as session:
            for path, status in (("/healthz", 200), (f"/call/{ROOM}", 200), (f"/rooms/{ROOM}/none", 404)):
                async with session.get(url + path) as answer:
                    assert answer.status == status, path
        async with SignalingClient(url, ROOM) as one, SignalingClient(url, ROOM) as other:
            assert await one.wait_for_peer()
            assert await other.wait_for_peer()
            assert one.ice.servers, "the server must announce its STUN"
            await unreadable(port)
            reading, stalled = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            stalled.write(f"GET {network()} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            assert b"200" in await reading.readline()  # the rest is never read
            process.send_signal(signal.SIGTERM)
            # Its peers try to reach it again, as if it were being restarted.
            await until(lambda: not one.peer.present and not other.peer.present, PATIENCE)
        code, out, error = await finish(process, 90)  # aiohttp itself would wait two minutes for the download
        stalled.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert code == 0, error
    assert ROOM not in said + out + error
    assert "Traceback" not in error


@pytest.mark.e2e
async def test_a_port_in_use_is_an_error() -> None:
    port = unused_port()
    first = await facewire("serve", "--host", "127.0.0.1", "--port", str(port))
    try:
        await line_with("Running on", first.stderr, "facewire serve")
        code, out, error = await finish(await facewire("serve", "--host", "127.0.0.1", "--port", str(port)), PATIENCE)
    finally:
        first.terminate()
        await first.wait()
    assert code == 1
    assert str(port) in error
    assert "Traceback" not in error + out


async def test_an_unfinished_tls_handshake_is_closed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(serve, "SILENT", 0.5)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    said: list[str] = []
    serving = asyncio.create_task(
        serve._serve(ServerConfig(), "127.0.0.1", port := unused_port(), serve.tls_context(certificate, key), said.append, False)
    )
    await until(lambda: said, PATIENCE)
    assert said == [f"Running on https://127.0.0.1:{port} (open it in a browser to begin a call)"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
