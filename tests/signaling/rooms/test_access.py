"""A public server: tokens, origins, limits, metrics and logs."""

import asyncio
import json
import logging
import re
import ssl
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from multidict import CIMultiDict

from signaling.client import SignalingClient
from signaling.protocol import ROOM_PATTERN, SignalingError
from signaling.rooms.access import AccessError, check_token, issue_token, read_secret
from signaling.rooms.address_limits import ADDRESSES, Attempts, address_of
from signaling.rooms.json_log import JsonLines, room_label
from signaling.rooms.serve import ServeError, tls_context
from signaling.rooms.server import ServerConfig, create_app
from tests.waiting import PATIENCE, until

SECRET = b"a secret of some length"


def code_of(room, token, now=None):
    try:
        check_token(SECRET, room, token, now)
    except SignalingError as error:
        return error.code
    return "in"


def test_a_token_is_valid_for_its_room_until_it_expires():
    token = issue_token(SECRET, "red-fox_1", 60, now=1000)
    assert code_of("red-fox_1", token, now=1000) == code_of("red-fox_1", token, now=1060) == "in"
    assert code_of("red-fox_1", token, now=1061) == "access_over"
    assert code_of("red-fox_2", token, now=1000) == "no_access"


def test_a_modified_token_is_refused():
    token = issue_token(SECRET, "room", 60, now=1000)
    room, expiry, signature = token.split(".")
    for other in (None, "", ".", "..", room, f"{room}.9999.{signature}", f"x.{expiry}.{signature}", f"{room}.{expiry}.",
                  token[:-1], token + "A", f"{room}.{expiry}.{signature[::-1]}", "ä.1.ü"):  # fmt: skip
        assert code_of("room", other, now=1000) == "no_access", other
    with pytest.raises(SignalingError):
        check_token(b"another secret of length", "room", token, now=1000)


def test_secrets_and_token_requests_are_checked(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"  " + SECRET + b"\n")
    assert read_secret(path) == SECRET
    path.write_bytes(b"short")
    for call in (lambda: read_secret(path), lambda: read_secret(tmp_path / "none"), lambda: issue_token(SECRET, "no room!", 5),
                 lambda: issue_token(SECRET, "room", 0), lambda: issue_token(SECRET, "room", 1e12)):  # fmt: skip
        with pytest.raises(AccessError):
            call()


@pytest.fixture
async def start():
    """A function that starts servers with options; they are closed at the end of the test."""
    running = []

    async def start(**options):
        server = TestServer(create_app(ServerConfig(**options)))
        await server.start_server()
        running.append(server)
        return server

    yield start
    for server in running:
        await server.close()


async def test_a_server_with_a_secret_accepts_only_valid_tokens(start):
    url = str((await start(secret=SECRET)).make_url("/"))
    async with (
        SignalingClient(url, "room", access=issue_token(SECRET, "room", 60)) as a,
        SignalingClient(url, "room", access=issue_token(SECRET, "room", 30)),
    ):
        await asyncio.wait_for(a.wait_for_peer(), PATIENCE)
    for access, code in ((None, "no_access"), (issue_token(SECRET, "other", 60), "no_access"),
                         (issue_token(SECRET, "room", 60, now=1000), "access_over")):  # fmt: skip
        with pytest.raises(SignalingError) as raised:
            await SignalingClient(url, "room", access=access).__aenter__()
        assert raised.value.code == code
    with pytest.raises(SignalingError):
        SignalingClient(url, "room", access="no token at all!")


async def test_pages_of_other_sites_may_not_connect(start):
    server = await start(origins=frozenset({"https://calls.example"}))
    own = f"http://{server.host}:{server.port}"
    async with aiohttp.ClientSession() as session:
        for origin, good in ((own, True), ("https://calls.example", True), (None, True), ("https://evil.example", False),
                             ("null", False), ("https://calls.example.evil", False)):  # fmt: skip
            headers = {"Origin": origin} if origin else {}
            try:
                async with session.ws_connect(server.make_url("/ws"), headers=headers):
                    got = 101
            except aiohttp.WSServerHandshakeError as error:
                got = error.status
            assert got == (101 if good else 403), origin


async def test_an_address_that_connects_too_often_is_refused(start):
    server = await start(per_minute=3, behind_proxy=True)
    url = str(server.make_url("/"))
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            await (await session.ws_connect(server.make_url("/ws"))).close()
        async with session.ws_connect(server.make_url("/ws"), headers={"X-Forwarded-For": "192.0.2.1, 192.0.2.7"}):
            pass
    with pytest.raises(SignalingError, match="too many connections"):
        await SignalingClient(url, "room").__aenter__()


async def test_the_number_of_open_sockets_per_address_is_limited(start):
    server = await start(per_address=2, behind_proxy=True)
    async with aiohttp.ClientSession() as session:

        async def opens(address):
            return await session.ws_connect(server.make_url("/ws"), headers={"X-Forwarded-For": address})

        first, _ = await opens("192.0.2.1"), await opens("192.0.2.1")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await opens("192.0.2.1")
        assert refused.value.status == 429
        await opens("192.0.2.2")
        await first.close()
        async with asyncio.timeout(PATIENCE):
            while (await _code(session, server)) == 429:  # noqa: ASYNC110  the server has yet to notice the closed socket
                await asyncio.sleep(0.02)
        async with session.get(server.make_url("/metrics")) as answer:
            assert "too_many_sockets" in await answer.text()


async def _code(session, server):
    try:
        await session.ws_connect(server.make_url("/ws"), headers={"X-Forwarded-For": "192.0.2.1"})
    except aiohttp.WSServerHandshakeError as error:
        return error.status
    return 101


async def test_the_room_count_is_rate_limited_and_hidden_if_tokens_are_required(start):
    server, closed = await start(per_minute=2), await start(secret=SECRET)
    async with aiohttp.ClientSession() as session:
        codes = []
        for _ in range(3):
            async with session.get(server.make_url("/rooms/here")) as answer:
                codes.append(answer.status)
        assert codes == [200, 200, 429]
        async with session.get(closed.make_url("/rooms/here")) as answer:
            assert answer.status == 403
            assert "peers" not in await answer.text()


def test_attempts_are_allowed_again_with_time_and_memory_stays_bounded():
    attempts = Attempts(2)
    assert [attempts.allow("a", 0) for _ in range(3)] == [True, True, False]
    assert attempts.allow("b", 0)
    assert not attempts.allow("a", 29)
    assert attempts.allow("a", 60)
    for n in range(ADDRESSES + 50):
        attempts.allow(str(n), 61)
    assert len(attempts._seen) == ADDRESSES


def test_the_address_comes_from_the_proxys_header_only_behind_a_proxy():
    def of(remote, forwarded=None, behind=False):
        headers = CIMultiDict(("X-Forwarded-For", line) for line in (forwarded or "").split("\n") if line)
        return address_of(SimpleNamespace(remote=remote, headers=headers), behind)

    assert of("192.0.2.1", "203.0.113.9") == "192.0.2.1"  # anybody can send that header
    assert of("10.0.0.1", "evil, 203.0.113.9", behind=True) == "203.0.113.9"
    assert of("10.0.0.1", "evil\n203.0.113.9", behind=True) == "203.0.113.9"  # a separate header line, as HAProxy adds it
    assert of("2001:db8:1:2:3:4:5:6") == of("2001:db8:1:2::9") != of("2001:db8:1:3::9")
    assert of(None) == of("10.0.0.1", "<script>", behind=True) == "unknown"


async def test_a_peer_that_waits_alone_too_long_is_disconnected_and_a_pair_is_not(start):
    url = str((await start(heartbeat=0.3, idle_timeout=1.0)).make_url("/"))
    async with SignalingClient(url, "pair") as a, SignalingClient(url, "pair") as b, SignalingClient(url, "alone") as c:
        with pytest.raises(SignalingError) as raised:
            await asyncio.wait_for(_until_end(c), PATIENCE)
        assert raised.value.code == "idle"
        assert a.peer.present  # although these two joined earlier
        assert b.peer.present


async def _until_end(client):
    while True:
        await client.receive()


async def test_metrics_contain_counts_but_no_names(start):
    server = await start(secret=SECRET)
    url = str(server.make_url("/"))
    async with SignalingClient(url, "secret-room", access=issue_token(SECRET, "secret-room", 60)):
        with pytest.raises(SignalingError):
            await SignalingClient(url, "secret-room").__aenter__()
        async with aiohttp.ClientSession() as session:
            answer = await session.get(server.make_url("/metrics"))
            text = await answer.text()
    values = dict(re.findall(r"^(facewire_\S+) (\S+)$", text, re.MULTILINE))
    assert values["facewire_rooms"] == values["facewire_peers"] == values["facewire_joins_total"] == "1.0"
    assert values['facewire_refused_total{code="no_access"}'] == "1.0"
    assert values["facewire_join_seconds_count"] == "1.0"
    assert "secret-room" not in text
    assert "127.0.0.1" not in text


async def test_the_log_is_json_and_contains_no_names(start, caplog):
    caplog.set_level(logging.INFO)
    url = str((await start()).make_url("/"))
    async with SignalingClient(url, "secret-room"):
        pass
    await until(lambda: any(getattr(r, "event", "") == "left" for r in caplog.records))
    lines = [json.loads(JsonLines().format(r)) for r in caplog.records if r.name.startswith("signaling")]
    joined = next(line for line in lines if line.get("event") == "joined")
    left = next(line for line in lines if line.get("event") == "left")
    assert joined["room"] == left["room"] == room_label("secret-room")
    assert joined["level"] == "info"
    assert joined["time"].endswith("+00:00")
    assert "secret-room" not in json.dumps(lines)


def test_an_error_in_the_log_is_one_line():
    try:
        raise ValueError("no\nway")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it %s", ("failed",), (type(error), error, error.__traceback__))
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "it failed"


def self_signed(certificate, key):
    """Write a self-signed certificate for localhost and its key as PEM files."""
    secret, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_tls(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    context = tls_context(certificate, key)
    server = TestServer(create_app(), scheme="https")
    await server.start_server(ssl=context)
    try:
        trusted = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession() as session:
            answer = await session.get(f"https://localhost:{server.port}/healthz", ssl=trusted)
            assert (await answer.json())["status"] == "ok"
    finally:
        await server.close()
    assert tls_context(None, None) is None
    certificate.write_text("nonsense")
    for pair in ((certificate, None), (None, key), (certificate, key), (tmp_path / "none", key)):
        with pytest.raises(ServeError):
            tls_context(*pair)


def test_room_names_contain_no_dot():
    assert not re.fullmatch(ROOM_PATTERN, "a.b")  # a dot separates the parts of a token
