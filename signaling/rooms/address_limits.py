"""Who may open a socket, and how often: only pages of this host, and each address only so many a
minute and at once. Takes bounded memory."""

from collections import Counter, OrderedDict
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from signaling.static_files import split_url

ADDRESSES = 10_000
"""Addresses that are remembered; the least recently seen one is forgotten first."""


def plain(text: str) -> IPv4Address | IPv6Address:
    """An address; an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as IPv4. Raises ``ValueError``."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def address_key(text: str) -> str:
    """What all addresses of one customer share: the IPv4 address, or the IPv6 /64 prefix."""
    try:
        address = plain(text)
    except ValueError:
        return "unknown"
    return address.exploded[:19] if address.version == 6 else str(address)


def address_of(request: web.Request, behind_proxy: bool) -> str:
    """Where a request comes from, as :func:`address_key`. Behind a proxy it is the last entry of X-Forwarded-For,
    which the proxy itself added."""
    text = request.remote or ""
    if behind_proxy:
        # Some proxies append to the header received, others add a header of their own after it.
        text = ",".join(request.headers.getall("X-Forwarded-For", [text])).rpartition(",")[2].strip() or text
    return address_key(text)


def same_origin(request: web.Request, others: frozenset[str]) -> bool:
    """Whether a browser's page may open this socket: one of this host, or of ``others``. The
    same-origin policy does not restrict WebSockets (RFC 6455 section 10.2). Programs send no Origin
    and are allowed."""
    origin = request.headers.get("Origin")
    if origin is None or origin in others:
        return True
    return split_url(origin).netloc == request.host


class Attempts:
    """Limits the attempts of each address. Times in seconds; ``now`` is a monotonic clock given by the caller."""

    def __init__(self, per_minute: float) -> None:
        """``per_minute``: attempts allowed to one address; as many may come at once."""
        self._most = per_minute
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, address: str, now: float) -> bool:
        """Count an attempt; False if it exceeds the limit."""
        left, at = self._seen.pop(address, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / 60)
        allowed = left >= 1
        self._seen[address] = (left - allowed, now)
        while len(self._seen) > ADDRESSES:
            self._seen.popitem(last=False)
        return allowed


class OpenSockets:
    """How many sockets each address has open."""

    def __init__(self, most: int) -> None:
        """``most``: sockets that one address may have open."""
        self._most, self._open = most, Counter[str]()

    def full(self, address: str) -> bool:
        return self._open[address] >= self._most

    def enter(self, address: str) -> None:
        self._open[address] += 1

    def leave(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
