"""A real signaling server on loopback."""

import contextlib

import pytest
from aiohttp.test_utils import TestServer

from signaling.config import IceConfig
from signaling.rooms.server import ServerConfig, create_app
from tests.signaling.real_redis import RealRedis


@pytest.fixture
async def server(request):
    """A server with one TURN entry. With ``pytest.mark.impatient``, peers become stale after about 0.9 s
    and must join within 0.5 s."""
    ice = IceConfig.load(["turn:user:pass@turn.example:3478"])
    times = {"heartbeat": 0.3, "join_timeout": 0.5} if request.node.get_closest_marker("impatient") else {}
    async with TestServer(create_app(ServerConfig(ice, max_rooms=3, **times))) as running:
        yield running


@pytest.fixture
async def url():
    """URL of a server without ICE servers, with the usual timeouts."""
    async with TestServer(create_app()) as running:
        yield str(running.make_url("/"))


@pytest.fixture
async def redis(tmp_path):
    """A Redis server of the test itself, see :class:`RealRedis`."""
    running = RealRedis(tmp_path)
    await running.start()
    yield running
    with contextlib.suppress(ProcessLookupError):
        await running.stop()
