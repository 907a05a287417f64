"""Sending the first keyframe: quickly on a fast link, without flooding a low-bandwidth one."""

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
    """(a sending peer, what the other peer receives on the control channel, the relay), connected over ``network``."""
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
    """Send a keyframe and check that it arrives; returns the sizes of its chunks in bytes."""
    await peer.control_arrived(5)
    await SlowStart().send(peer, KeyframePieces(3, keyframe))
    assert await peer.control_arrived(30)
    chunks, assembler = [parse_message(data) for data in got], KeyframeAssembler()
    *_, whole = [assembler.add(chunk) for chunk in chunks]
    assert whole[0] == 3
    assert whole[1].digest == keyframe.digest
    return [len(chunk.data) for chunk in chunks]


async def test_a_fast_link_needs_few_windows(url, keyframe):
    async with link(url, Impairment(delay=0.03)) as (peer, got, _):
        sizes = await arrives(keyframe, peer, got)
    assert sizes[:3] == [PROBE, WINDOW, PIECE]
    assert set(sizes[2:-1]) == {PIECE}


async def test_a_long_delay_is_not_taken_for_a_low_bandwidth(url, keyframe):
    async with link(url, Impairment(delay=0.4)) as (peer, got, _):
        sizes = await arrives(keyframe, peer, got)
    assert sizes[:3] == [PROBE, WINDOW, PIECE]


async def test_a_low_bandwidth_link_is_not_flooded(url, keyframe):
    """Its queue holds only a quarter of the keyframe, and nothing is lost."""
    assert len(keyframe.data) > 3000
    async with link(url, Impairment(kbps=15, queue=0.5, delay=0.03)) as (peer, got, relay):
        lost = relay.count.lost
        sizes = await arrives(keyframe, peer, got)
        assert relay.count.lost == lost
    assert sizes[:2] == [PROBE, WINDOW]
    assert max(sizes) == PIECE


async def test_a_keyframe_arrives_over_a_lossy_link(url, keyframe):
    async with link(url, Impairment(loss=0.2, delay=0.03)) as (peer, got, _):
        await arrives(keyframe, peer, got)


async def test_a_connection_that_ends_raises_an_error(url, keyframe):
    async with link(url, Impairment(kbps=4)) as (peer, _, _):
        asyncio.get_running_loop().call_later(0.3, peer.leave, "test")
        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(peer.close()))
        with pytest.raises(PeerError):
            await SlowStart().send(peer, KeyframePieces(3, keyframe))
