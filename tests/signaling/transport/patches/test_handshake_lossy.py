"""The handshakes of two real peers on a network that loses the first copy of every datagram."""

import asyncio

from aiohttp.test_utils import TestServer

from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.waiting import until


async def test_two_peers_connect_although_the_first_copy_of_every_datagram_is_lost(url):
    relay, seen = UdpRelay(Impairment(delay=0.01)), set()
    passing = relay.pass_on

    def pass_on(data, send, way=""):
        if (way, data) in seen:
            passing(data, send, way)
        seen.add((way, data))

    relay.pass_on = pass_on
    async with TestServer(SignalingProxy(url.rstrip("/"), relay).app) as proxy:
        near = str(proxy.make_url("/"))
        async with SignalingClient(near, "r") as first, SignalingClient(near, "r") as second:
            a, b = (Peer(IceConfig(), lambda _: None, lambda _: None) for _ in range(2))
            try:
                # Only identical repeats of a datagram get through: checks and flights do, SCTP's encrypted messages
                # don't. So the test ends after DTLS, which OpenSSL's own repeats, newly encoded, would never complete.
                connecting = asyncio.gather(a.connect(first, 20), b.connect(second, 20), return_exceptions=True)
                await until(lambda: all(p._pc and p._pc.sctp and p._pc.sctp.transport.state == "connected" for p in (a, b)))
            finally:
                await asyncio.gather(a.close(), b.close())
                await connecting
                relay.close()
