"""Bounds on the connections of a server that stands on the internet by itself: how many an address holds, and how long one may
be silent. aiohttp has neither. Behind a proxy, that is the proxy's part."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from signaling.rooms.address_limits import address_key

log = logging.getLogger(__name__)

SILENT = 15.0
"""Seconds that a connection may take to its first request, and before it for a TLS handshake."""
PER_ADDRESS = 128
"""Connections of one address, sockets of peers and requests for files together."""
FILES_MACOS = 10_240
"""Open files that macOS allows where it names no limit."""
LOOK = 1.0
"""Seconds between two looks."""


def raise_file_limit() -> None:
    """Let this process open as many files as it may: 1000 rooms are 2000 sockets, and 1024 is a usual soft limit."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for soft in (most, FILES_MACOS):
        with contextlib.suppress(ValueError, OSError):
            return resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


class ConnectionBounds:
    """Closes the connections of a running server that are too many or too long silent. Those in a TLS handshake are not seen."""

    def __init__(self, per_address: int = PER_ADDRESS, silent: float = SILENT) -> None:
        self._per_address, self._silent = per_address, silent
        self._seen: dict[web.RequestHandler, float] = {}
        self._spoken: set[web.RequestHandler] = set()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware: this connection has made a request."""
        self._spoken.add(request.protocol)
        return await handler(request)

    def look(self, server: web.Server, now: float) -> int:
        """Close what is too much at the monotonic time ``now``; gives how many."""
        held: Counter[str] = Counter()
        closed, open_now = 0, server.connections
        self._seen = {connection: self._seen.get(connection, now) for connection in open_now}
        self._spoken &= self._seen.keys()
        for connection in open_now:  # the oldest first
            transport = connection.transport
            if transport is None or transport.is_closing():
                continue
            address = address_key(str((connection.peername or ("",))[0]))
            held[address] += 1
            if held[address] > self._per_address or (
                connection not in self._spoken and now - self._seen[connection] > self._silent
            ):
                transport.abort()
                closed += 1
        return closed

    @contextlib.asynccontextmanager
    async def watching(self, server: web.Server) -> AsyncIterator[None]:
        """Look every second, as long as the context lasts."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(LOOK)
                if closed := self.look(server, asyncio.get_running_loop().time()):
                    log.info("%d connections closed: too many of one address, or silent", closed)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
