"""Connections to a server that is on the internet without a proxy."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from signaling.client import SignalingClient
from signaling.rooms import connections
from signaling.rooms.connections import ConnectionBounds, raise_file_limit
from signaling.rooms.server import create_app
from tests.waiting import until


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_silent_connections_are_closed_and_active_ones_are_not(monkeypatch):
    monkeypatch.setattr(connections, "LOOK", 0.05)
    bounds = ConnectionBounds(silent=5.0)
    async with (
        TestServer(create_app(middlewares=[bounds.middleware])) as server,
        bounds.watching(server.runner.server),
        SignalingClient(str(server.make_url("/")), "r"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")  # an incomplete request
        assert await ended(reader)
        writer.close()
        async with aiohttp.ClientSession() as session, session.get(server.make_url("/healthz")) as answer:
            assert (await answer.json())["peers"] == 1


async def test_connections_per_address_are_limited_and_the_first_ones_are_kept(monkeypatch):
    monkeypatch.setattr(connections, "LOOK", 0.05)
    bounds = ConnectionBounds(per_address=3)
    async with TestServer(create_app(middlewares=[bounds.middleware])) as server, bounds.watching(server.runner.server):
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        await until(lambda: len(server.runner.server.connections) == 3)
        reader, writer = opened[0]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
        for _, other in opened:
            other.close()


def test_an_ipv6_network_counts_as_one_address_and_time_starts_at_the_first_look():
    aborted = []

    class Connection:
        def __init__(self, name, address):
            self.transport = SimpleNamespace(is_closing=lambda: False, abort=lambda: aborted.append(name))
            self.peername = address, 1

    held = [Connection("a", "2001:db8:1:2::1"), Connection("b", "2001:db8:1:2::2"), Connection("c", "::ffff:192.0.2.1")]
    bounds, server = ConnectionBounds(per_address=1, silent=10.0), SimpleNamespace(connections=held)
    assert bounds.look(server, 100.0) == 1
    assert aborted == ["b"], "the addresses of one IPv6 network must count as one"
    bounds._spoken.add(held[0])
    assert bounds.look(SimpleNamespace(connections=[held[0], held[2]]), 109.0) == 0
    assert bounds.look(SimpleNamespace(connections=[held[0], held[2]]), 111.0) == 1
    assert aborted == ["b", "c"]


def test_the_limit_of_open_files_is_raised_to_the_systems_maximum():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
