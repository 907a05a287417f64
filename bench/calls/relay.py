"""A bad network on this machine: UDP between two peers goes through a relay that loses, delays and reorders it.

The peers are put behind it by rewriting the candidates in the offers and answers on their way
through signaling: each peer gets a port of the relay in place of the other peer's own. The first host
candidate is relayed; others are dropped.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import ClientSession, WSMsgType, web

from bench.demo import serve

IP_UDP = 28
"""Bytes of IPv4 and UDP headers."""
CANDIDATE = re.compile(r"^a=candidate:(\S+) 1 udp (\d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*$", re.IGNORECASE)


@dataclass(frozen=True)
class Impairment:
    """What happens to the datagrams of each direction.

    ``loss`` 0..1; ``burst``: mean length of a run of lost datagrams (Gilbert's model; 1: each is lost
    independently). ``delay`` and ``jitter`` in seconds: each datagram takes delay ± jitter, so one may
    overtake another. ``duplicates`` 0..1: share that arrives twice. ``kbps``: the link's rate with IP
    and UDP headers, 0 for unlimited; what would wait for longer than ``queue`` seconds is lost.
    """

    loss: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    burst: float = 1.0
    duplicates: float = 0.0
    kbps: float = 0.0
    queue: float = 0.5


@dataclass
class RelayCount:
    """Datagrams passed on and lost, both ways."""

    passed: int = 0
    lost: int = 0


class _Port(asyncio.DatagramProtocol):
    """One peer as the other sees it. ``real`` is the peer's own address."""

    def __init__(self, relay: "UdpRelay", kind: str, real: tuple[str, int]) -> None:
        self.relay, self.kind, self.real = relay, kind, real
        self.transport: Any = None
        self.other: _Port | None = None
        self.dead = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        # From the other peer to this one. It must seem to come from the port that represents the other peer.
        if self.other is not None and not self.dead:
            self.relay.on_datagram(self.kind, data)
            self.relay.pass_on(data, partial(self.other.send, data, self.real), self.kind)

    def send(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.transport.is_closing():  # a datagram may still be due when the relay has been closed
            self.transport.sendto(data, addr)


class UdpRelay:
    """The ports that represent two peers, and what happens between them. :attr:`impairment` may be changed at any time."""

    def __init__(self, impairment: Impairment, seed: int = 0) -> None:
        self.impairment, self.count, self.blocked = impairment, RelayCount(), False
        self.on_datagram: Callable[[str, bytes], object] = lambda kind, data: None
        """Called with the side that a datagram is for (``offer``: the side that made the offer, ``answer``: the other) and the
        datagram, before anything happens to it."""
        self._random = random.Random(seed)
        self._losing: dict[str, bool] = {}
        self._busy: dict[str, float] = {}
        self._ports: dict[str, _Port] = {}
        self._open: list[_Port] = []

    def pass_on(self, data: bytes, send: Callable[[], object], way: str = "") -> None:
        """Lose a datagram, or send it later, or twice. ``way`` names the direction: each has its
        own queue and bursts."""
        now, loop = self.impairment, asyncio.get_running_loop()
        waits = self._queued(len(data) + IP_UDP, way, loop.time())
        if self.blocked or self._lost(way) or waits is None:
            self.count.lost += 1
            return
        self.count.passed += 1
        for _ in range(1 + (self._random.random() < now.duplicates)):
            loop.call_later(waits + max(0.0, now.delay + self._random.uniform(-now.jitter, now.jitter)), send)

    def _lost(self, way: str) -> bool:
        """Gilbert's two-state model, with a mean run of ``burst`` losses and a long-run share of ``loss``."""
        now = self.impairment
        if now.burst <= 1:
            return self._random.random() < now.loss
        leave = 1 / now.burst
        enter = leave * now.loss / max(1e-9, 1 - now.loss)
        losing = self._losing.get(way, False)
        self._losing[way] = losing = self._random.random() >= leave if losing else self._random.random() < enter
        return losing

    def _queued(self, size: int, way: str, now: float) -> float | None:
        """Seconds until the link has sent a packet of ``size`` bytes; None where the queue is full."""
        if not self.impairment.kbps:
            return 0.0
        begins = max(now, self._busy.get(way, 0.0))
        if begins - now > self.impairment.queue:
            return None
        self._busy[way] = begins + size / (self.impairment.kbps * 125)
        return self._busy[way] - now

    async def rewrite(self, kind: str, sdp: str) -> str:
        """An offer's or answer's SDP with its one loopback candidate replaced by a relay port."""
        lines, done = [], False
        for line in sdp.splitlines():
            found = CANDIDATE.match(line)
            if found and not done:
                done = True
                port = await self._stand_in(kind, (found[3], int(found[4])))
                lines.append(f"a=candidate:{found[1]} 1 udp {found[2]} {found[3]} {port} typ host")
            elif not line.startswith("a=candidate:"):
                lines.append(line)
        return "\r\n".join(lines) + "\r\n"

    async def _stand_in(self, kind: str, real: tuple[str, int]) -> int:
        loop = asyncio.get_running_loop()
        _, port = await loop.create_datagram_endpoint(lambda: _Port(self, kind, real), local_addr=(real[0], 0))
        if kind == "offer":
            self._ports = {}
        self._ports[kind] = port
        self._open.append(port)
        if len(self._ports) == 2:
            a, b = self._ports.values()
            a.other, b.other = b, a
        return int(port.transport.get_extra_info("sockname")[1])

    def cut(self) -> None:
        """Let nothing through any more on the current paths, as when an address has changed; paths
        negotiated later work."""
        for port in self._open:
            port.dead = True

    def close(self) -> None:
        for port in self._open:
            port.transport.close()


class SignalingProxy:
    """A server in front of a signaling server that puts every call behind ``relay``; pages are passed on unchanged."""

    def __init__(self, server: str, relay: UdpRelay) -> None:
        """``server``: the real server, ``http://HOST:PORT``."""
        self.server, self.relay = server, relay
        self.app = web.Application()
        self.app.router.add_get("/ws", self._serve)
        self.app.router.add_get("/{path:.*}", self._page)

    async def _page(self, request: web.Request) -> web.Response:
        passed = {"Accept-Encoding": request.headers.get("Accept-Encoding", "identity")}
        async with (
            ClientSession(auto_decompress=False) as session,
            session.get(self.server + request.path_qs, headers=passed) as answer,
        ):
            kept = {
                k: v for k, v in answer.headers.items() if k.lower() not in ("transfer-encoding", "connection", "date", "server")
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse()
        await near.prepare(request)
        async with ClientSession() as session, session.ws_connect(self.server + "/ws") as far:
            up = asyncio.create_task(self._pump(near, far))
            down = asyncio.create_task(self._pump(far, near))
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        await near.close()
        return near

    async def _pump(self, source: Any, target: Any) -> None:
        async for message in source:
            if message.type != WSMsgType.TEXT:
                break
            text = message.data
            fields = json.loads(text)
            # Only on the way to the server, or each description would be rewritten twice.
            if isinstance(source, web.WebSocketResponse) and fields.get("type") in ("offer", "answer"):
                fields["sdp"] = await self.relay.rewrite(fields["type"], fields["sdp"])
                text = json.dumps(fields)
            await target.send_str(text)


@asynccontextmanager
async def behind(server: str, network: Impairment, seed: int = 0) -> AsyncIterator[tuple[UdpRelay, str]]:
    """A relay with ``network``'s impairments, and the address of a signaling server in front of ``server`` whose calls go
    through the relay."""
    relay = UdpRelay(network, seed)
    runner, url = await serve(SignalingProxy(server, relay).app)
    try:
        yield relay, url
    finally:
        await runner.cleanup()
        relay.close()
