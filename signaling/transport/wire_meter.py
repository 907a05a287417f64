"""Counts all that a connection sends and receives: every datagram of its sockets, with IP and UDP headers."""

import time
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection

from signaling.transport.patches.ice_sockets import protocols

_REQUEST = b"\x00\x01"
"""First bytes of STUN's binding requests (RFC 8489, section 5); bytes 8 to 20 match answers to
requests."""
_ANSWER = b"\x01\x01"
"""First bytes of the answers to them."""
ASKED = 64
"""Requests whose send times are kept."""
LIKELY = 0.12
"""Seconds of a usual round trip. That of a long path is known exactly once all its answers have arrived."""
IPV4_UDP = 28
"""Bytes of IPv4 and UDP headers around one datagram."""
IPV6_UDP = 48
"""Bytes of IPv6 and UDP headers around one datagram."""


@dataclass(frozen=True)
class WireCount:
    """Datagrams and their bytes, headers included, in the time from ``since`` to ``at``
    (``time.monotonic`` seconds).

    ``later - earlier`` is what was counted between the two.
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

    def __sub__(self, earlier: "WireCount") -> "WireCount":
        return WireCount(
            self.bytes_out - earlier.bytes_out,
            self.bytes_in - earlier.bytes_in,
            self.packets_out - earlier.packets_out,
            self.packets_in - earlier.packets_in,
            since=earlier.at,
            at=self.at,
        )


class Pings:
    """Round trips of requests that are repeated unchanged until they are answered. Times in seconds."""

    newest: float
    """Round trip of the last answer that can be matched to one copy of its request; 0 before the first."""

    def __init__(self) -> None:
        self._asked: dict[bytes, tuple[list[float], list[float]]] = {}
        self._exact = self._most = self.newest = self._bound = 0.0

    def asked(self, name: bytes, now: float) -> None:
        """A request was sent, perhaps not for the first time."""
        self._asked.setdefault(name, ([], []))[0].append(now)
        while len(self._asked) > ASKED:
            del self._asked[next(iter(self._asked))]

    def answered(self, name: bytes, now: float) -> None:
        """An answer arrived; every copy of a request that arrives is answered once."""
        asked, answered = self._asked.get(name, ([], []))
        if len(answered) >= len(asked):
            return
        answered.append(now)
        self._most, self._bound = min(self._most or now, now - asked[0]), now - asked[-1]
        if len(answered) == len(asked):  # none was lost: this is the answer to the last
            self.newest, self._bound = self._bound, 0.0
            self._exact = min(self._exact or self.newest, self.newest)

    @property
    def at_least(self) -> float:
        """What a recent round trip took at least: :attr:`newest`, or the time from the last copy of a later request to an
        answer to any of its copies. Where a full queue loses some of the copies, no answer can be matched to one of them."""
        return max(self.newest, self._bound)

    @property
    def round_trip(self) -> float:
        """The fastest so far; 0 before the first answer. While no answer can be matched to one copy
        of its request (some were lost, or the path is long): the shortest time from a first copy to
        an answer, at most :data:`LIKELY`."""
        return self._exact or min(self._most, LIKELY)


class WireMeter:
    """Counts at the sockets of one peer connection.

    aiortc's own counters are in its DTLS transport and miss ICE's consent checks (RFC 7675), which
    are sent and answered every few seconds for as long as the call lasts: 0.4 kbit/s each way, much
    compared with a call's 12. So this counts at the sockets below: media, SACKs, handshake,
    connectivity checks and consent alike. Not counted: the 4 bytes that TURN puts before each
    datagram on the way to its server, and requests to STUN and TURN servers while candidates are
    gathered.
    """

    def __init__(self) -> None:
        self.since = self._heard = time.monotonic()
        self._bytes_out = self._bytes_in = self._packets_out = self._packets_in = 0
        self._unanswered = 0
        self.pings = Pings()
        """Round trips of ICE's checks."""

    def attach(self, connection: RTCPeerConnection) -> None:
        """Count this connection's datagrams from now on. Call it once, after its candidates are gathered."""
        for protocol in protocols(connection):
            self._wrap(protocol)

    def count(self) -> WireCount:
        """All datagrams up to now."""
        return WireCount(
            self._bytes_out, self._bytes_in, self._packets_out, self._packets_in, since=self.since, at=time.monotonic()
        )

    def quiet(self) -> float:
        """Seconds since the last datagram arrived, or since this was made."""
        return time.monotonic() - self._heard

    @property
    def unanswered(self) -> int:
        """Datagrams sent since the last one arrived."""
        return self._unanswered

    def _wrap(self, protocol: Any) -> None:
        receive, transport = protocol.datagram_received, protocol.transport

        def datagram_received(data: bytes, addr: tuple[Any, ...]) -> None:
            self._bytes_in += len(data) + _headers(addr)
            self._packets_in += 1
            self._heard, self._unanswered = time.monotonic(), 0
            if data[:2] == _ANSWER:
                self.pings.answered(data[8:20], self._heard)
            receive(data, addr)

        protocol.datagram_received = datagram_received
        protocol.transport = _CountingTransport(transport, self._sent)

    def _sent(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._bytes_out += len(data) + _headers(addr)
        self._packets_out += 1
        self._unanswered += 1
        if data[:2] == _REQUEST:
            self.pings.asked(data[8:20], time.monotonic())


class _CountingTransport:
    """A datagram transport that reports what it sends; all else is passed to the transport inside."""

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
