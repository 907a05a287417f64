"""The call's page: which files are served and how, and that no others are."""

import asyncio
import gzip
import hashlib
import logging
import re

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from ruamel.yaml import YAML

from signaling import call_page
from signaling.call_page import NETWORKS, PEER
from signaling.rooms.server import create_app
from signaling.static_files import page_bytes
from tests.signaling.rooms.test_proxy import COMPOSE
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until


@pytest.fixture
async def session():
    # Responses as they are sent, without decompression.
    async with aiohttp.ClientSession(auto_decompress=False) as opened:
        yield opened


async def test_every_room_has_the_same_page_with_the_headers_for_threads(url, session):
    bodies = set()
    for room in ("one", "another-room_2"):
        async with session.get(f"{url}call/{room}", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            bodies.add(gzip.decompress(await answer.read()))
    assert bodies == {page_bytes(PEER / "call.html")}
    assert b'id="hangup"' in bodies.pop()


async def test_without_a_room_the_page_that_asks_for_one_is_opened(url, session):
    for path in ("call", "call/"):
        async with session.get(url + path) as answer:
            assert answer.status == 200
            assert str(answer.url) == url
            assert await answer.read() == page_bytes(PEER.parent / "static" / "index.html")


async def test_the_policy_allows_nothing_from_other_servers(url, session):
    async with session.get(f"{url}call/room") as answer:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["connect-src"] == policy["worker-src"] == policy["style-src"] == "'self'"
    assert not any("http" in sources or "unsafe-inline" in sources for sources in policy.values())
    page = page_bytes(PEER / "call.html").decode()
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", page)


async def test_scripts_import_only_what_is_served(url, session):
    for path in PEER.rglob("*.js"):
        name = path.relative_to(PEER).as_posix()
        if name.startswith(("node_modules", "vendor")):
            continue
        async with session.get(f"{url}peer/{name}", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status == 200, name
            assert answer.content_type == "text/javascript"
            assert gzip.decompress(await answer.read()) == path.read_bytes()
            etag = answer.headers["ETag"]
        async with session.get(f"{url}peer/{name}", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
        for target in re.findall(r'^(?:import|export) .*?from "([^"]+)";', path.read_text(), re.MULTILINE | re.DOTALL):
            assert (path.parent / target).is_file(), f"{name} imports {target}"


async def test_a_client_without_gzip_gets_plain_data(url, session):
    async with session.get(f"{url}peer/codec/errors.js", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == (PEER / "codec" / "errors.js").read_bytes()


@needs_runtime
async def test_networks_and_runtime_have_immutable_urls(url, session):
    async with session.get(f"{url}peer/files.json") as answer:
        files = await answer.json()
    assert set(files["files"]) == set(NETWORKS)
    for name, told in files["files"].items():
        async with session.get(url + told["url"].lstrip("/"), headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status == 200, name
            assert "immutable" in answer.headers["Cache-Control"]
            data = gzip.decompress(await answer.read())
        assert len(data) == told["bytes"]
        assert hashlib.sha256(data).hexdigest().startswith(told["url"].split("/")[2])
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm", "ort.webgpu.min.mjs"):
        async with session.get(url + files["runtime"].lstrip("/") + name, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status == 200, name
            assert answer.content_type == ("application/wasm" if name.endswith("wasm") else "text/javascript")


@needs_runtime
async def test_a_network_made_from_other_weights_is_not_served(url, session, monkeypatch):
    """After an export the small network may still belong to the earlier weights."""
    real = call_page.made_from
    monkeypatch.setattr(call_page, "made_from", lambda path, of: path.name != "step-small-int8.onnx" and real(path, of))
    call_page._listed.cache_clear()
    try:
        async with session.get(f"{url}peer/files.json") as answer:
            files = (await answer.json())["files"]
        assert files["step-small-int8.onnx"] == files["step.onnx"] != files["step-int8.onnx"]
        async with session.get(url + files["step-small-int8.onnx"]["url"].lstrip("/")) as answer:
            assert answer.status == 200
    finally:
        call_page._listed.cache_clear()


@needs_runtime
async def test_onnx_runtime_instantiates_as_the_page_expects(url, session):
    """load.js shares the compiled module with all workers by replacing this call for this file."""
    async with session.get(f"{url}peer/files.json") as answer:
        runtime = (await answer.json())["runtime"]
    where = url + runtime.lstrip("/") + "ort-wasm-simd-threaded.mjs"
    async with session.get(where, headers={"Accept-Encoding": "gzip"}) as answer:
        glue = gzip.decompress(await answer.read()).decode()
    assert "WebAssembly.instantiateStreaming" in glue
    assert '"ort-wasm-simd-threaded.wasm"' in glue


@pytest.mark.parametrize(
    "path",
    [
        "peer/../call_page.py", "peer/%2e%2e/npm.py", "peer/vendor/version.txt", "peer/node_modules/typescript/package.json",
        "peer/package.json", "vendor/1/ort.wasm.min.mjs", "vendor/../version.txt", "networks/0000000000000000/step.onnx",
        "networks/x/README.md", "call/a/b",
    ],
)  # fmt: skip
async def test_other_paths_are_not_served(url, session, path):
    async with session.get(aiohttp.client.URL(url + path, encoded=True)) as answer:
        assert answer.status in (400, 404), path


async def test_a_server_without_the_runtime_says_how_to_install_it(session, monkeypatch, tmp_path):
    monkeypatch.setattr(call_page, "VENDOR", tmp_path)
    async with TestServer(create_app()) as server:
        async with session.get(server.make_url("/call/room")) as answer:
            assert answer.status == 200
        async with session.get(server.make_url("/peer/files.json")) as answer:
            assert answer.status == 503
            assert "python -m signaling.web.npm" in (await answer.json())["error"]["message"]


def test_the_proxy_keeps_no_log_of_paths():
    """Paths contain room names. test_serve.py checks what the server itself logs."""
    site = YAML(typ="safe").load(COMPOSE)["configs"]["nginx"]["content"]
    assert "access_log off;" in site


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_a_client_that_does_not_read_takes_little_memory_and_is_disconnected(monkeypatch, accepted):
    monkeypatch.setattr(call_page, "STALLED", 0.5)
    async with TestServer(create_app()) as server:
        _, digest, _ = call_page._network("step.onnx")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(f"GET /networks/{digest}/step.onnx HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\n\r\n".encode())
        await reader.readline()  # read only the first line
        assert server.runner.server is not None
        (connection,) = server.runner.server.connections
        assert connection.transport.get_write_buffer_size() < 1_000_000
        await until(lambda: connection.transport is None)
        writer.close()


async def test_head_sends_no_body_and_an_aborted_download_is_not_an_error(caplog):
    async with TestServer(create_app()) as server:
        _, digest, size = call_page._network("step.onnx")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        path = f"/networks/{digest}/step.onnx"
        writer.write(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {size}\r\n".encode() in head
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"immutable")
        writer.transport.abort()
        await until(lambda: not server.runner.server.connections)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
