"""Repeats a DTLS flight until it is answered, sooner than OpenSSL does (RFC 6347, section 4.2.4)."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection

from signaling.transport.patience import LATEST, patience

REPEATS = 8
"""Times that a flight is repeated here, at most; OpenSSL continues by itself."""
TOGETHER = 0.05
"""Datagrams sent within so many seconds of each other belong to one flight."""
_HANDSHAKE = (20, 22)
"""First bytes of DTLS records of a handshake (RFC 6347, section 4.1)."""
_DATA = 23
"""First byte of a DTLS record with data."""


class Flight:
    """Repeats one side's DTLS flights until they are answered.

    The same datagrams are sent again: a peer that has received them drops them by their record
    numbers, one that has not takes them for new. The server's last flight has no answer but data, so
    it is repeated until data arrives.
    """

    def __init__(self, connection: RTCPeerConnection, round_trip: Callable[[], float]) -> None:
        """``connection``: one with its own description set. ``round_trip``: returns its round trip
        in seconds, 0 while unknown."""
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
            if self._dtls._role == "client":  # the server's last flight has arrived: all is done
                self.end()
        elif self._dtls.state in ("closed", "failed"):
            self.end()

    def end(self) -> None:
        """Stop repeating flights."""
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
        except ConnectionError:  # the path is gone
            self.end()
