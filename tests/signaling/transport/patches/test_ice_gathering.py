"""Servers that do not answer while candidates are gathered."""

import asyncio
import socket

import pytest
from aiohttp.test_utils import TestServer
from aioice import ice

from signaling.config import IceConfig
from signaling.rooms.server import ServerConfig, create_app
from signaling.transport import patches
from signaling.transport.patches.ice_gathering import LONGEST, _Gathering, turn_seconds
from tests.signaling.transport.test_link import two
from tests.waiting import until


@pytest.fixture
def silent():
    """The URL of a STUN server that never answers, at an address of this machine that other interfaces can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        host = (ice.get_host_addresses(True, False) or ["127.0.0.1"])[0]
        server.bind((host, 0))
        yield f"stun:{host}:{server.getsockname()[1]}"


async def test_a_call_reconnects_although_the_stun_server_does_not_answer(silent):
    async with TestServer(create_app(ServerConfig(IceConfig.load([silent])))) as server, two(str(server.make_url("/"))) as (a, b):
        a.link.peer.leave("silent")
        await until(lambda: a.connections == b.connections == 2)


def asked(silent) -> ice.Connection:
    patches.apply()
    _, host, port = silent.split(":")
    return ice.Connection(ice_controlling=True, components=1, stun_server=(host, int(port)))


async def test_gathering_ends_and_leaves_no_tasks_behind(silent):
    before, errors = asyncio.all_tasks(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    connection = asked(silent)
    await connection.gather_candidates()
    assert {c.type for c in connection.local_candidates} == {"host"}
    other = asked(silent)
    gathering = asyncio.create_task(other.gather_candidates())
    await asyncio.sleep(LONGEST / 3)
    gathering.cancel()
    await asyncio.gather(gathering, return_exceptions=True)
    await connection.close()
    await other.close()
    await asyncio.sleep(LONGEST)  # time for packets that would be sent on closed sockets
    assert asyncio.all_tasks() <= before
    assert errors == []


async def test_interfaces_without_an_answer_are_given_up_soon_after_another_has_one(monkeypatch):
    monkeypatch.setattr("signaling.transport.patches.ice_gathering.LONGEST", 600.0)
    gathering = _Gathering()

    async def answered():
        return "an address"

    async with asyncio.timeout(60):
        never = asyncio.create_task(gathering.ask_one_of_many(asyncio.get_running_loop().create_future()))
        await asyncio.sleep(0)
        assert await gathering.ask_one_of_many(answered()) == "an address"
        with pytest.raises(TimeoutError):
            await never


async def test_turn_servers_have_a_longer_limit_and_renewals_a_shorter_one(monkeypatch):
    monkeypatch.setattr("signaling.transport.patches.ice_gathering.LONGEST", 0.01)
    patches.apply()

    async def relayed():
        await asyncio.sleep(0.3)
        return "a relay"

    gathering = _Gathering()
    assert await gathering.ask(relayed(), turn_seconds.get()) == "a relay"
    turn_seconds.set(0.05)
    with pytest.raises(TimeoutError):
        await gathering.ask(relayed(), turn_seconds.get())
