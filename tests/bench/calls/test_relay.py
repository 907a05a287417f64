"""The relay loses, delays and blocks datagrams as configured, in both directions; peers reach each other only through it."""

import asyncio
import socket
import time
from itertools import pairwise

import pytest

from bench.calls.relay import Impairment, UdpRelay
from tests.waiting import PATIENCE, until

SDP = (
    "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
    "a=candidate:2 1 udp 1694498815 203.0.113.5 4000 typ srflx raddr 127.0.0.1 rport {port}\r\n"
)


class Peer:
    """A UDP socket in place of a peer."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    async def receive(self, seconds: float = PATIENCE) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recvfrom(self.socket, 2048)


async def connect(relay: UdpRelay) -> tuple[Peer, Peer, tuple[str, int], tuple[str, int]]:
    a, b = Peer(), Peer()
    ports = []
    for kind, peer in (("offer", a), ("answer", b)):
        sdp = await relay.rewrite(kind, SDP.format(port=peer.port))
        lines = [line for line in sdp.splitlines() if line.startswith("a=candidate")]
        assert len(lines) == 1
        ports.append(("127.0.0.1", int(lines[0].split()[5])))
        assert ports[-1][1] != peer.port
    return a, b, ports[0], ports[1]


async def test_datagrams_pass_both_ways_and_come_from_the_relays_address() -> None:
    relay = UdpRelay(Impairment())
    a, b, a_seen, b_seen = await connect(relay)
    b.socket.sendto(b"to a", a_seen)
    assert await a.receive() == (b"to a", b_seen)
    a.socket.sendto(b"to b", b_seen)
    assert await b.receive() == (b"to b", a_seen)
    relay.close()


async def test_loss_delay_and_blocking() -> None:
    relay = UdpRelay(Impairment(loss=0.3, delay=0.05, jitter=0.02), seed=3)
    a, b, a_seen, _ = await connect(relay)
    began = time.monotonic()
    for i in range(200):
        b.socket.sendto(bytes([i]), a_seen)
        if i % 10 == 9:  # so that the relay's socket never overflows
            await asyncio.sleep(0)
    await a.receive()
    assert time.monotonic() - began >= 0.03
    await until(lambda: relay.count.passed + relay.count.lost == 200)
    assert 30 < relay.count.lost < 90
    relay.blocked = True
    b.socket.sendto(b"x", a_seen)
    await until(lambda: relay.count.passed + relay.count.lost == 201)
    assert relay.count.lost >= 31
    relay.close()


async def test_jitter_reorders() -> None:
    relay = UdpRelay(Impairment(delay=0.03, jitter=0.03))
    a, b, a_seen, _ = await connect(relay)
    for i in range(40):
        b.socket.sendto(bytes([i]), a_seen)
    order = [(await a.receive())[0][0] for _ in range(40)]
    relay.close()
    assert sorted(order) == list(range(40))
    assert order != sorted(order)


@pytest.mark.parametrize("text", ["v=0\r\n", "a=candidate:1 1 tcp 5 127.0.0.1 9 typ host\r\n"])
async def test_no_candidates_are_added_to_a_description_without_usable_ones(text: str) -> None:
    relay = UdpRelay(Impairment())
    assert "candidate" not in await relay.rewrite("offer", text)
    relay.close()


def passing(relay: UdpRelay, count: int, size: int = 100) -> list[bool]:
    """Whether each of ``count`` datagrams gets through."""
    out = []
    for _ in range(count):
        before = relay.count.passed
        relay.pass_on(bytes(size), lambda: None, "offer")
        out.append(relay.count.passed > before)
    return out


async def test_losses_come_in_bursts_of_the_configured_length() -> None:
    single, bursts = (passing(UdpRelay(Impairment(loss=0.1, burst=b), seed=5), 20_000) for b in (1, 4))
    for got, length in ((single, 1.11), (bursts, 4.0)):
        assert got.count(False) / len(got) == pytest.approx(0.1, rel=0.15)
        runs = sum(not now and before for before, now in pairwise([True, *got]))
        assert got.count(False) / runs == pytest.approx(length, rel=0.1)


@pytest.mark.virtual_time
async def test_a_slow_link_delays_datagrams_and_drops_them_when_its_queue_is_full() -> None:
    relay, at = UdpRelay(Impairment(kbps=8, queue=0.35)), list[float]()
    began = asyncio.get_running_loop().time()
    for _ in range(10):  # 100 bytes each on the wire, 0.1 s each on the link
        relay.pass_on(bytes(72), lambda: at.append(asyncio.get_running_loop().time() - began), "offer")
    relay.pass_on(bytes(72), lambda: at.append(-1.0), "answer")  # the other direction is free
    await asyncio.sleep(0.6)
    assert relay.count.lost == 6
    assert sorted(at) == pytest.approx([-1.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.virtual_time
async def test_some_datagrams_are_duplicated() -> None:
    relay, seen = UdpRelay(Impairment(duplicates=0.5), seed=1), list[int]()
    for n in range(200):
        relay.pass_on(b"x", lambda n=n: seen.append(n), "offer")
    await asyncio.sleep(0.05)
    assert set(seen) == set(range(200))
    assert 270 < len(seen) < 330
