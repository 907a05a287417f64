"""Sends small messages and acknowledgements in one packet: a SACK in a packet of its own costs 77
bytes, together with a bundle 16.

aiortc answers every packet with a SACK at once and bundles nothing. RFC 9260 (section 6.2) lets a
receiver wait 500 ms at most, and wants a SACK for every second packet. This sends one for every
third: two bundles may arrive between two of ours, and each SACK in its own packet costs more than a
bundle's sound can spare. Section 6.10 lets a SACK and data share a packet. In a call both peers send
every tick, or in silence every other, so nearly every SACK finds a bundle to travel with. Messages
sent in one step of the event loop share a packet as well, if they fit: a bundle and a piece of a
keyframe.

Messages of ordered channels request an immediate acknowledgement with the I bit of RFC 7053. If it
does not arrive, the first and the last of them are sent again, much like RFC 8985's tail loss probe:
SCTP's own timer waits one to three seconds, and what was sent after them waits, too. The I bit is
ignored on bundles. Chromium sets it on every one while its congestion window is below ten packets; in
a call that never fills the window, a single loss causes that until the end. Five SACKs a second in
packets of their own would cost 3 kbit/s, and a bundle of ours that can carry them is due anyway.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, cast

from aiortc.rtcsctptransport import (
    SCTP_DATA_UNORDERED,
    SCTP_RTO_MIN,
    SCTP_TSN_MODULO,
    USERDATA_MAX_LENGTH,
    DataChunk,
    ForwardTsnChunk,
    RTCSctpTransport,
)

from signaling.transport.patches.patch_list import needs
from signaling.transport.patches.sctp_forward_tsn import ForwardTsn
from signaling.transport.patience import LATEST, SOONEST

log = logging.getLogger(__name__)

DELAY = 0.45
"""Seconds that a SACK waits for data to travel with: in silence a bundle is sent every 400 ms, with some jitter."""
PACKETS = 3
"""Packets after which a SACK waits no longer."""

STRIKES = 3
"""Reports of a gap after which the peer takes what is missing for lost (RFC 9260, section 7.2.4): later ones may wait."""

SACK_MAX = 64
"""Bytes that a SACK may need in a packet: 16, and 4 for each gap."""
PACKET = USERDATA_MAX_LENGTH + 16
"""Most bytes of chunks in a packet: the length of aiortc's longest data chunk."""

AT_ONCE = 8
"""The I bit of a data chunk: acknowledge it without delay."""
ALONG = 0.005
"""Seconds that even such an acknowledgement waits: the answer to the message itself may carry it."""
WINDOW_MIN = 3 * USERDATA_MAX_LENGTH
"""Bytes that may be under way, whatever was lost: SCTP's initial window. After its timer SCTP
allows one packet, which four bundles fill until they are acknowledged. What is sent is limited
elsewhere: by the ladder of rates, and a keyframe's windows."""
CLOCK = 0.001
"""Seconds of tolerance for the clock: a shorter remaining wait counts as over."""
PROBES = 6
"""Probes without any acknowledgement after which only SCTP's own timer repeats."""


class _Together:
    """Several chunks, in place of the one chunk that aiortc serialises into a packet."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks

    def __bytes__(self) -> bytes:
        return b"".join(bytes(c) for c in self.chunks)


class AckBundler:
    """Takes over one association's SACKs. If aiortc lacks what is used here, it leaves them unchanged.

    Attributes:
        prompt: request an immediate acknowledgement of what is sent on ordered channels, and probe for it.
        patience: seconds until the first probe.
    """

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._sctp = cast(Any, sctp)
        self.prompt, self.patience = True, SOONEST
        self._waiting = 0
        self._gap, self._reported = (0, 0), 0
        self._data: list[Any] = []  # chunks of this step of the event loop
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._probes, self._probed = 0, -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._forward = ForwardTsn(self._sctp, lambda: self._start(self._send_forward()))
        needed = (*needs("sctp_acks_and_probes"), *needs("sctp_forward_tsn"))
        if lacking := [name for name in needed if not hasattr(sctp, name)]:
            log.warning("acknowledgements are not bundled: this aiortc has no %s", ", ".join(lacking))
            self.works = False
            return
        self.works = True
        self._make: Any = self._sctp._send_sack
        self._send: Any = self._sctp._send_chunk
        self._receive: Any = self._sctp._receive_data_chunk
        own: dict[str, Any] = {
            "_send_sack": self._acknowledge, "_send_chunk": self._chunk, "_receive_data_chunk": self._received,
        }  # fmt: skip
        vars(sctp).update(own)

    @property
    def ordered_under_way(self) -> bool:
        """Whether anything sent on ordered channels waits to be sent or acknowledged; False if that
        can't be determined."""
        if not self.works:
            return False
        return any(_ordered(c) and not c._acked for c in (*self._sctp._sent_queue, *self._sctp._outbound_queue))

    def end(self) -> None:
        """The connection is over: stop the timers."""
        for timer in (self._timer, self._probe):
            if timer:
                timer.cancel()
        self._forward.end()

    async def _received(self, chunk: Any) -> None:
        """Runs before aiortc takes a data chunk."""
        if chunk.flags & AT_ONCE and _ordered(chunk):
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(ALONG, self._due)
        await self._receive(chunk)

    async def _acknowledge(self) -> None:
        """Replaces the sending of a SACK: wait, unless the peer must learn of a gap or a duplicate."""
        self._waiting += 1
        if self._waiting >= PACKETS or self._gap_is_news() or self._sctp._sack_duplicates:
            await self._flush()
            return
        self._sctp._sack_needed = False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._due)

    def _gap_is_news(self) -> bool:
        """Whether messages are missing, and the peer has not been told of them often enough to give them up."""
        misordered = self._sctp._sack_misordered
        if not misordered:
            return False
        last = self._sctp._last_received_tsn
        gap = (last, max((tsn - last) % SCTP_TSN_MODULO for tsn in misordered) - len(misordered))
        self._gap, self._reported = gap, self._reported + 1 if gap == self._gap else 1
        return self._reported <= STRIKES

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _due(self) -> None:
        self._start(self._flush())

    def _settle(self) -> None:
        self._waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _flush(self) -> None:
        """Send the SACK in a packet of its own, if one still waits."""
        if self._waiting:
            self._settle()
            try:
                await self._make()
            except ConnectionError:
                log.debug("a connection ended with an acknowledgement under way")

    async def _chunk(self, chunk: Any) -> None:
        """Replaces the sending of a chunk: data waits for what else this step of the event loop sends."""
        if isinstance(chunk, ForwardTsnChunk):
            self._forward.hold(chunk)
            return
        if not isinstance(chunk, DataChunk):
            await self._send(chunk)
            return
        # The retransmission timeout of the handshake is too short for bundles, whose acknowledgements are delayed.
        self._sctp._rto = max(self._sctp._rto, SCTP_RTO_MIN)
        self._sctp._cwnd = max(self._sctp._cwnd, WINDOW_MIN)
        if self.prompt and _ordered(chunk):
            chunk.flags |= AT_ONCE
            self._expect()
        self._data.append(chunk)
        if len(self._data) == 1:
            asyncio.get_running_loop().call_soon(lambda: self._start(self._send_data()))

    async def _send_data(self) -> None:
        """Send what has gathered in as few packets as possible, together with the waiting SACK and FORWARD TSN if they fit."""
        chunks, self._data = self._data, []
        try:
            while chunks:
                packet, size = list[Any](), 0
                if self._waiting and len(bytes(chunks[0])) + SACK_MAX <= PACKET:
                    packet.append(await self._sack())
                    size = len(bytes(packet[0]))
                if self._forward.size and size + self._forward.size + len(bytes(chunks[0])) <= PACKET:
                    packet.append(self._forward.take())
                    size += len(bytes(packet[-1]))
                while chunks and (not packet or size + len(bytes(chunks[0])) <= PACKET):
                    packet.append(chunks.pop(0))
                    size += len(bytes(packet[-1]))
                await self._send(_Together(packet))
        except ConnectionError:
            log.debug("a connection ended with data under way")

    async def _send_forward(self) -> None:
        """Send the FORWARD TSN for which no data has come to travel with, together with the waiting SACK."""
        packet = [await self._sack()] if self._waiting else []
        if forward := self._forward.take():
            packet.append(forward)
        try:
            if packet:
                await self._send(_Together(packet))
        except ConnectionError:
            log.debug("a connection ended with a FORWARD TSN under way")

    def _expect(self) -> None:
        """A message was sent whose acknowledgement should arrive soon."""
        if self._probe is None:
            self._probe = asyncio.get_running_loop().call_later(self.patience, self._missing)

    def _missing(self) -> None:
        """Send again what has not been acknowledged in time, and check again after twice as long."""
        self._probe = None
        lost = [c for c in self._sctp._sent_queue if c.flags & AT_ONCE and not c._acked]
        if not lost:
            return
        if lost[0].tsn != self._probed:  # something was acknowledged since the last probe
            self._probed, self._probes = lost[0].tsn, 0
        waited, loop = max(0.0, time.time() - lost[0]._sent_time), asyncio.get_running_loop()
        if not self._probes and self.patience - waited > CLOCK:  # sent while the timer ran for something else
            self._probe = loop.call_later(self.patience - waited, self._missing)
        elif self._probes < PROBES:
            self._probes += 1
            self._probe = loop.call_later(min(self.patience * 2**self._probes, LATEST), self._missing)
            lost = [*lost[:1], *lost[1:][-1:]]
            for chunk in lost:
                chunk._sent_count += 1  # its acknowledgement no longer measures a round trip (Karn)
            self._data.extend(lost)
            self._start(self._send_data())

    async def _sack(self) -> Any:
        """The SACK that waits, as aiortc makes it."""
        self._settle()
        made: list[Any] = []

        async def keep(sack: Any) -> None:
            made.append(sack)

        self._sctp._send_chunk = keep
        try:
            await self._make()
        finally:
            self._sctp._send_chunk = self._chunk
        return made[0]


def _ordered(chunk: Any) -> bool:
    return not chunk.flags & SCTP_DATA_UNORDERED
