"""The first keyframe's way: whole and soon on a fast link, without flooding a thin one."""

import asyncio
import contextlib

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from codec.control import KeyframeAssembler, parse_message
from codec.keyframe import encode_keyframe
from signaling.call.pacing import KeyframePieces
from signaling.call.slow_start import PIECE, PROBE, WINDOW, SlowStart
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.channels import PeerError
from signaling.transport.peer import Peer


@pytest.fixture(scope="module")
def keyframe():
    noise = np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8)
    return encode_keyframe(noise.repeat(8, 0).repeat(8, 1), 40)


@contextlib.asynccontextmanager
async def link(url, network):
    """(a sending peer, what the other side receives on the control channel, the relay) behind a network."""
    relay, got = UdpRelay(network), []
    async with TestServer(SignalingProxy(url.rstrip("/"), relay).app) as proxy:
        near = str(proxy.make_url("/"))
        async with SignalingClient(near, "r") as first, SignalingClient(near, "r") as second:
            a, b = Peer(IceConfig(), lambda _: None, lambda _: None), Peer(IceConfig(), lambda _: None, got.append)
            try:
                await asyncio.gather(a.connect(first), b.connect(second))
                yield a, got, relay
            finally:
                await asyncio.gather(a.close(), b.close())
                relay.close()


async def arrives(keyframe, peer, got):
    """Send a keyframe; gives the sizes of its windows."""
    await peer.control_arrived(5)
    await SlowStart().send(peer, KeyframePieces(3, keyframe))
    assert await peer.control_arrived(30)
    chunks, assembler = [parse_message(data) for data in got], KeyframeAssembler()
    *_, whole = [assembler.add(chunk) for chunk in chunks]
    assert whole[0] == 3
    assert whole[1].digest == keyframe.digest
    return [len(chunk.data) for chunk in chunks]


async def test_a_fast_link_sees_few_windows(url, keyframe):
    async with link(url, Impairment(delay=0.03)) as (peer, got, _):
        sizes = await arrives(keyframe, peer, got)
    assert sizes[:3] == [PROBE, WINDOW, PIECE]
    assert set(sizes[2:-1]) == {PIECE}


async def test_a_long_way_is_no_thin_link(url, keyframe):
    async with link(url, Impairment(delay=0.4)) as (peer, got, _):
        sizes = await arrives(keyframe, peer, got)
    assert sizes[:3] == [PROBE, WINDOW, PIECE]


async def test_a_thin_link_is_not_flooded(url, keyframe):
    """Its queue holds a quarter of the keyframe, and loses nothing."""
    assert len(keyframe.data) > 3000
    async with link(url, Impairment(kbps=15, queue=0.5, delay=0.03)) as (peer, got, relay):
        lost = relay.count.lost
        sizes = await arrives(keyframe, peer, got)
        assert relay.count.lost == lost
    assert sizes[:2] == [PROBE, WINDOW]
    assert max(sizes) == PIECE


async def test_a_lossy_link_brings_it_all_the_same(url, keyframe):
    async with link(url, Impairment(loss=0.2, delay=0.03)) as (peer, got, _):
        await arrives(keyframe, peer, got)


async def test_a_connection_that_ends_is_told(url, keyframe):
    async with link(url, Impairment(kbps=4)) as (peer, _, _):
        asyncio.get_running_loop().call_later(0.3, peer.leave, "test")
        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(peer.close()))
        with pytest.raises(PeerError):
            await SlowStart().send(peer, KeyframePieces(3, keyframe))
