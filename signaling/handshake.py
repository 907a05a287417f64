"""The handshakes that begin a connection, on a network that loses packets: what was lost is sent again after some round trips.

A connection takes about ten packets each way: ICE's checks, DTLS's flights, SCTP's. aioice waits 0.5 s for an answer to the first
(RFC 8445), OpenSSL 1 s (RFC 6347), aiortc 3 s (RFC 4960). With one packet in ten lost every second connection then takes over two
seconds, and one in a hundred over twelve (``bench.connect``). To repeat some of it sooner costs little.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from aioice import stun
from aiortc import RTCPeerConnection
from aiortc.rtcsctptransport import InitChunk

CHECK, CHECK_EACH, CHECK_MOST, CHECK_SPAN = 0.1, 0.2, 0.4, 50.0
"""Seconds until an ICE check is repeated the first time, then after twice as long each time, but at most so many for each check
that is under way (all dead ways from an address together so stay at five a second), or the third; and for how long in all."""
CONSENT, CONSENT_TRIES = 0.6, 3
"""Seconds until a question of consent (RFC 7675) is repeated the first time, then after twice as long, and how often it is asked:
it is waited for 4.2 s, see :mod:`signaling.consent`."""
SOONEST, LATEST = 0.3, 1.0
"""Seconds until a flight or SCTP's first message is repeated, at least and at most: three round trips where they are known."""
REPEATS = 8
"""Times that a flight is repeated at most; OpenSSL goes on by itself."""
TOGETHER = 0.05
"""Seconds within which what is sent is one flight."""

_HANDSHAKE, _DATA = (20, 22), 23
"""The first byte of DTLS records of a handshake, and of those with data (RFC 6347, section 4.1)."""


class _Check(stun.Transaction):
    """A question of ICE's that goes on being asked every little while; aioice's own waits twice as long each time, up to 16 s."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = cast(Any, self)  # for names that are the base class's own
        self._began = time.monotonic()
        self._check = options.get("retransmissions") is None
        # Else it is a question of consent. aioice asks each once, and of three in a row all are lost too often on a bad network.
        self._all._Transaction__timeout_delay = CHECK if self._check else CONSENT
        self._all._Transaction__tries_max = 1 << 30 if self._check else CONSENT_TRIES

    def _Transaction__retry(self) -> None:
        if self._check and time.monotonic() - self._began > CHECK_SPAN:
            self._all._Transaction__tries_max = 0
        super()._Transaction__retry()  # type: ignore[misc]
        if not self._check:
            return
        most = max(CHECK_MOST, CHECK_EACH * len(getattr(self._all._Transaction__protocol, "transactions", ())))
        self._all._Transaction__timeout_delay = min(most, self._all._Transaction__timeout_delay)


def hurry() -> None:
    """Let ICE of this process repeat its checks sooner; nothing where aioice makes them otherwise. Safe to call again."""
    names = {"_Transaction__timeout_delay", "_Transaction__protocol", "_Transaction__tries_max"}
    if names <= {*stun.Transaction.__init__.__code__.co_names} and hasattr(stun.Transaction, "_Transaction__retry"):
        stun.Transaction = _Check  # type: ignore[misc]


def patience(round_trip: float) -> float:
    """Seconds to wait for an answer before something is sent again. ``round_trip``: in seconds, 0 where it isn't known."""
    return min(max(3 * round_trip, SOONEST), LATEST)


def mend_first(sctp: Any) -> None:
    """Mend how aiortc's association begins on a network that loses packets. Both sides of a data channel begin (RFC 8841).

    Every INIT goes with the tag 0 (RFC 9260, section 8.5.1): aiortc takes the tag of the other's INIT for its own next one,
    which the other drops, and where both answers to the first two are lost, no association ever stands. A copy of the other's
    INIT that comes late is let be (section 5.2.2): aiortc would begin to count anew. And it goes on for as long as it is wanted:
    aiortc gives up after nine messages, whatever time that takes.
    """
    if not all(hasattr(sctp, name) for name in ("_send_chunk", "_receive_chunk", "_remote_verification_tag", "_t1_failures")):
        return
    send, receive = sctp._send_chunk, sctp._receive_chunk

    async def received(chunk: Any) -> None:
        stands = sctp._association_state == sctp.State.ESTABLISHED
        if not (stands and isinstance(chunk, InitChunk) and chunk.initiate_tag == sctp._remote_verification_tag):
            await receive(chunk)

    async def marked(chunk: Any) -> None:
        sctp._t1_failures = 0
        tag = sctp._remote_verification_tag
        if not isinstance(chunk, InitChunk) or not tag:
            await send(chunk)
            return
        sctp._remote_verification_tag = 0
        try:
            await send(chunk)
        finally:
            if not sctp._remote_verification_tag:
                sctp._remote_verification_tag = tag

    sctp._send_chunk, sctp._receive_chunk = marked, received


class Flight:
    """Repeats one side's DTLS flights until they are answered.

    The very same datagrams go out again: who has had them drops them by their record numbers, who has not takes them for new.
    The server's last flight has no answer but data, so it is repeated until that comes.
    """

    def __init__(self, connection: RTCPeerConnection, round_trip: Callable[[], float]) -> None:
        """``connection``: one with its own description set. ``round_trip``: what is known of it, in seconds, else 0."""
        assert connection.sctp is not None
        self._round_trip = round_trip
        self._sctp: Any = connection.sctp
        self._dtls: Any = connection.sctp.transport
        self._ice: Any = self._dtls.transport
        self._packets: list[bytes] = []
        self._answered, self._sent_at, self._tries = False, 0.0, 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._send, self._receive = self._ice._send, self._ice._recv
        self._ice._send, self._ice._recv = self._sending, self._receiving
        self._dtls.on("statechange", self._changed)

    def _changed(self) -> None:
        if self._dtls.state == "connected":
            if hasattr(self._sctp, "_rto"):  # before SCTP sends its first message
                self._sctp._rto = patience(self._round_trip())
            if self._dtls._role == "client":  # the server's last flight is here: all is done
                self.end()
        elif self._dtls.state in ("closed", "failed"):
            self.end()

    def end(self) -> None:
        """Repeat nothing any more."""
        self._packets = []
        if self._timer:
            self._timer.cancel()
            self._timer = None

    async def _sending(self, data: bytes) -> None:
        await self._send(data)
        if data[0] not in _HANDSHAKE or self._dtls.state in ("closed", "failed"):
            return
        now = self._loop.time()
        if self._answered or now - self._sent_at > TOGETHER:  # the next flight, or OpenSSL's own repetition of this
            self._packets, self._answered, self._tries = [], False, 0
        self._packets.append(data)
        self._sent_at = now
        self._wait()

    def _wait(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(min(patience(self._round_trip()) * 2**self._tries, LATEST), self._due)

    async def _receiving(self) -> bytes:
        data: bytes = await self._receive()
        if data and data[0] in _HANDSHAKE:
            self._answered = True
        elif data and data[0] == _DATA and self._packets and self._dtls.state == "connected":
            self.end()
        return data

    def _due(self) -> None:
        self._timer = None
        if self._packets and self._tries < REPEATS:
            self._tries += 1
            self._task = self._loop.create_task(self._repeat(list(self._packets)))
            self._wait()

    async def _repeat(self, packets: list[bytes]) -> None:
        try:
            for packet in packets:
                await self._send(packet)
        except ConnectionError:  # the way is gone
            self.end()
