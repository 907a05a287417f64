"""Connections to a server that stands on the internet by itself."""

import asyncio
import resource

import aiohttp
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


async def test_who_says_nothing_is_closed_and_who_has_asked_is_not(monkeypatch):
    monkeypatch.setattr(connections, "LOOK", 0.05)
    bounds = ConnectionBounds(silent=0.3)
    async with (
        TestServer(create_app(middlewares=[bounds.heard])) as server,
        bounds.watching(server.runner.server),
        SignalingClient(str(server.make_url("/")), "r"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")  # and nothing more
        assert await ended(reader)
        writer.close()
        async with aiohttp.ClientSession() as session, session.get(server.make_url("/healthz")) as answer:
            assert (await answer.json())["peers"] == 1


async def test_an_address_has_so_many_connections_and_the_first_are_kept(monkeypatch):
    monkeypatch.setattr(connections, "LOOK", 0.05)
    bounds = ConnectionBounds(per_address=3)
    async with TestServer(create_app(middlewares=[bounds.heard])) as server, bounds.watching(server.runner.server):
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        await until(lambda: len(server.runner.server.connections) == 3)
        reader, writer = opened[0]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
        for _, other in opened:
            other.close()


def test_as_many_files_may_be_opened_as_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
