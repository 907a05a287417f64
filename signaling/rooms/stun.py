"""A STUN server next to the signaling server (RFC 8489): it reports to each peer the address that the other must send to.

Peers behind NATs know only their local addresses. WebRTC needs only bindings without authentication
(RFC 8445, section 5.1.1.2); everything in a request after its header is ignored.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from aiohttp import web
from aioice.stun import Class, Message, Method

from codec.errors import system_reason
from signaling.rooms.address_limits import plain
from signaling.static_files import split_url

log = logging.getLogger(__name__)

BINDING = b"\x00\x01"
COOKIE = b"\x21\x12\xa4\x42"
HEADER = 20


def answer(data: bytes, address: tuple[str, int]) -> bytes | None:
    """The answer to a datagram from ``address``; None for anything but a binding request."""
    if len(data) < HEADER or data[:2] != BINDING or data[4:8] != COOKIE:
        return None
    host, port = address[:2]
    mapped = {"XOR-MAPPED-ADDRESS": (str(plain(host.partition("%")[0])), port)}
    return bytes(Message(Method.BINDING, Class.RESPONSE, transaction_id=data[8:HEADER], attributes=mapped))


class _Protocol(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if found := answer(data, addr):
            self._transport.sendto(found, addr)

    def error_received(self, exc: Exception) -> None:
        log.debug("STUN: %s", exc)


def stun_url(host: str, port: int) -> str:
    """The URL of this STUN server for a client whose request has the Host header ``host``."""
    name = split_url("//" + host).hostname or "localhost"
    return f"stun:[{name}]:{port}" if ":" in name else f"stun:{name}:{port}"


def serve_stun(
    host: str, port: int, ready: Callable[[int], None], say: Callable[[str], object]
) -> Callable[[web.Application], AbstractAsyncContextManager[None]]:
    """For ``app.cleanup_ctx``: answer at this UDP port while the application runs. ``ready`` is called with the port; if it
    can't be opened, ``say`` is called with one line for the user."""

    @asynccontextmanager
    async def running(_: web.Application) -> AsyncIterator[None]:
        try:
            transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(_Protocol, (host, port))
        except OSError as error:
            say(f"no STUN at UDP port {port}, calls across NATs may need --ice: {system_reason(error)}")
            yield
            return
        ready(transport.get_extra_info("sockname")[1])
        try:
            yield
        finally:
            transport.close()

    return running
