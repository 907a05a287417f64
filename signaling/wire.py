"""What a connection really costs: every datagram of its sockets, with IP and UDP headers."""

import time
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection

_REQUEST, _ANSWER = b"\x00\x01", b"\x01\x01"
"""How STUN's binding requests and their answers begin (RFC 8489, section 5); bytes 8 to 20 tell which belongs to which."""
ASKED = 64
"""Requests whose time is remembered."""
IPV4_UDP, IPV6_UDP = 28, 48
"""Bytes of IP and UDP headers around one datagram."""


@dataclass(frozen=True)
class WireCount:
    """Datagrams and their bytes, headers included, in the time from ``since`` to ``at`` (``time.monotonic`` seconds).

    ``later - earlier`` is what passed between two counts.
    """

    bytes_out: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    packets_in: int = 0
    since: float = 0.0
    at: float = 0.0

    @property
    def seconds(self) -> float:
        """Length of the time counted."""
        return self.at - self.since

    @property
    def kbps_out(self) -> float:
        """Kilobits (1000) sent per second, 0 where no time has passed."""
        return self.bytes_out * 8e-3 / self.seconds if self.seconds > 0 else 0.0

    @property
    def kbps_in(self) -> float:
        """Kilobits (1000) received per second, 0 where no time has passed."""
        return self.bytes_in * 8e-3 / self.seconds if self.seconds > 0 else 0.0

    def __sub__(self, earlier: "WireCount") -> "WireCount":
        return WireCount(
            self.bytes_out - earlier.bytes_out,
            self.bytes_in - earlier.bytes_in,
            self.packets_out - earlier.packets_out,
            self.packets_in - earlier.packets_in,
            since=earlier.at,
            at=self.at,
        )


class WireMeter:
    """Counts at the sockets of one peer connection.

    aiortc's own counters sit in its DTLS transport and miss ICE's consent checks (RFC 7675), which go out and come back
    every 5 s for as long as the call lasts: 0.4 kbit/s each way, not little beside 12. So the count is taken from the
    sockets below it: media, SACKs, handshake, connectivity checks and consent alike. Not seen: the 4 bytes that TURN puts
    before each datagram on the way to its server, and questions to STUN and TURN servers while candidates are gathered.

    Attributes:
        round_trip: of the fastest of ICE's questions so far, in seconds; 0 before the first answer.
    """

    def __init__(self) -> None:
        self.since = self._heard = time.monotonic()
        self._bytes_out = self._bytes_in = self._packets_out = self._packets_in = 0
        self._unanswered = 0
        self._asked: dict[bytes, float | None] = {}
        self.round_trip = 0.0

    def attach(self, connection: RTCPeerConnection) -> None:
        """Count this connection's datagrams from now on. Call it once, after its candidates are gathered."""
        assert connection.sctp is not None
        # aioice offers no hook, so its protocol objects are wrapped where they hand over datagrams.
        for protocol in connection.sctp.transport.transport.iceGatherer._connection._protocols:
            self._wrap(protocol)

    def count(self) -> WireCount:
        """All datagrams up to now."""
        return WireCount(
            self._bytes_out, self._bytes_in, self._packets_out, self._packets_in, since=self.since, at=time.monotonic()
        )

    def quiet(self) -> float:
        """Seconds since the last datagram came in, or since this was made."""
        return time.monotonic() - self._heard

    @property
    def unanswered(self) -> int:
        """Datagrams sent since the last came in."""
        return self._unanswered

    def _wrap(self, protocol: Any) -> None:
        receive, transport = protocol.datagram_received, protocol.transport

        def datagram_received(data: bytes, addr: tuple[Any, ...]) -> None:
            self._bytes_in += len(data) + _headers(addr)
            self._packets_in += 1
            self._heard, self._unanswered = time.monotonic(), 0
            if data[:2] == _ANSWER and (asked := self._asked.pop(data[8:20], None)):
                took = self._heard - asked
                self.round_trip = min(self.round_trip or took, took)
            receive(data, addr)

        protocol.datagram_received = datagram_received
        protocol.transport = _CountingTransport(transport, self._sent)

    def _sent(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._bytes_out += len(data) + _headers(addr)
        self._packets_out += 1
        self._unanswered += 1
        if data[:2] == _REQUEST:
            # One that is asked again tells nothing: which of the two is answered? (Karn)
            self._asked[data[8:20]] = None if data[8:20] in self._asked else time.monotonic()
            while len(self._asked) > ASKED:
                del self._asked[next(iter(self._asked))]


class _CountingTransport:
    """A datagram transport that tells of what it sends; all else goes straight to the one inside."""

    def __init__(self, inside: Any, sent: Any) -> None:
        self._inside = inside
        self._sent = sent

    def sendto(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._sent(data, addr)
        self._inside.sendto(data, addr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


def _headers(addr: tuple[Any, ...]) -> int:
    return IPV6_UDP if ":" in str(addr[0]) else IPV4_UDP
