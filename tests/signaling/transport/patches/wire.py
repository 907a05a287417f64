"""Two real SCTP associations on a network with delay and loss, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace

from aiortc import rtcsctptransport
from aiortc.rtcsctptransport import RTCSctpTransport, parse_packet

from signaling.transport.patches import sctp_acks_and_probes
from signaling.transport.patches.sctp_acks_and_probes import AckBundler
from signaling.transport.patches.sctp_back_off import back_off
from signaling.transport.patches.sctp_init import fix_init_handling

TICK = 0.2
"""Seconds from one bundle to the next."""


class Wire:
    """The transport of one association. ``delay``: seconds to the other one. It keeps the chunks of all packets, and
    loses packets that contain :attr:`lost`."""

    def __init__(self, role, delay):
        self._role, self.state, self.delay, self.lost, self.packets = role, "connected", delay, b"nothing", []
        self.other = self.receiver = None

    def _register_data_receiver(self, receiver):
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver):
        self.receiver = None

    async def _send_data(self, data):
        self.packets.append(parse_packet(data)[3])
        if self.lost not in data:
            asyncio.get_running_loop().call_later(self.delay, lambda: asyncio.ensure_future(self._arrive(data)))

    async def _arrive(self, data):
        if self.other.receiver:
            await self.other.receiver._handle_data(data)


class Link:
    """Two associations; ``arrived``: the messages that arrived at either; ``expired``: when a T3 timer expired."""

    def __init__(self, delay):
        self.wires = [Wire("client", delay), Wire("server", delay)]
        self.wires[0].other, self.wires[1].other = self.wires[1], self.wires[0]
        self.ends = [RTCSctpTransport(wire) for wire in self.wires]
        self.arrived, self.expired = [], []
        for end in self.ends:
            end._receive = self._keep
            end._t3_expired = partial(self._expire, end._t3_expired)

    async def _keep(self, stream_id, protocol, message):
        self.arrived.append(message)

    def _expire(self, aiortc):
        self.expired.append(asyncio.get_running_loop().time())
        aiortc()

    async def bundles(self, count, start=0):
        """Both send a numbered bundle each tick, unordered and without retransmission."""
        for number in range(start, start + count):
            for end in self.ends:
                await end._send(1, 53, b"bundle %d" % number, max_retransmits=0, ordered=False)
            await asyncio.sleep(TICK)

    def sent(self):
        """The chunks of each packet sent so far, both ways; they are forgotten."""
        packets = [packet for wire in self.wires for packet in wire.packets]
        for wire in self.wires:
            wire.packets.clear()
        return packets


@asynccontextmanager
async def linked(monkeypatch, delay, *, backing_off=True) -> AsyncIterator[Link]:
    """A link whose handshake is over."""
    clock = SimpleNamespace(time=lambda: asyncio.get_running_loop().time())
    for module in (rtcsctptransport, sctp_acks_and_probes):
        monkeypatch.setattr(module, "time", clock)
    link = Link(delay)
    for end in link.ends:
        fix_init_handling(end)
        if backing_off:
            back_off(end)
        AckBundler(end)
    await asyncio.gather(*(end.start(None, 5000) for end in link.ends))
    await asyncio.sleep(3 + 6 * delay)
    link.sent()
    yield link
    for end in link.ends:
        end._send_chunk.__self__.end()
        await end.stop()
