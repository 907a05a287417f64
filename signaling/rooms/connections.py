"""Limits on the connections of a server that faces the internet directly: how many an address may hold, and how long one may
be silent. aiohttp has neither limit. Behind a proxy, the proxy sets them."""

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
"""Seconds that a connection may take until its first request, and before that for a TLS handshake."""
PER_ADDRESS = 128
"""Connections that one address may hold: peers' sockets and requests for files together."""
FILES_MACOS = 10_240
"""Open files that macOS allows if it reports no limit."""
LOOK = 1.0
"""Seconds between two checks."""


def raise_file_limit() -> None:
    """Raise the limit of open files to the most allowed: 1000 rooms are 2000 sockets, and 1024 is a usual soft limit."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for soft in (most, FILES_MACOS):
        with contextlib.suppress(ValueError, OSError):
            return resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


class ConnectionBounds:
    """Closes connections of a running server: those over an address's limit, and those silent for too long. Connections
    still in a TLS handshake are not seen."""

    def __init__(self, per_address: int = PER_ADDRESS, silent: float = SILENT) -> None:
        self._per_address, self._silent = per_address, silent
        self._seen: dict[web.RequestHandler, float] = {}
        self._spoken: set[web.RequestHandler] = set()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware: notes that this connection has made a request."""
        self._spoken.add(request.protocol)
        return await handler(request)

    def look(self, server: web.Server, now: float) -> int:
        """Close the connections over the limits at the monotonic time ``now``, in seconds; returns how many."""
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
        """Check every second while the context lasts."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(LOOK)
                if closed := self.look(server, asyncio.get_running_loop().time()):
                    log.info("%d connections closed: too many from one address, or silent", closed)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
