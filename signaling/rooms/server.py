"""The signaling server: WebSocket rooms for two, and the landing page. It sees no media, only
offers and answers."""

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Middleware

from codec.extras import install_command
from signaling.call_page import CallPage
from signaling.config import IceConfig
from signaling.protocol import (
    MAX_MESSAGE,
    RELAYED,
    ROOM_PATTERN,
    Join,
    Joined,
    Message,
    Presence,
    SignalingError,
    parse,
)
from signaling.rooms.access import check_token
from signaling.rooms.address_limits import Attempts, OpenSockets, address_of, same_origin
from signaling.rooms.json_log import room_label
from signaling.rooms.metrics import Metrics
from signaling.rooms.room_limits import MAX_ROOMS, PER_ADDRESS, PER_MINUTE
from signaling.rooms.rooms import Member, MemoryRooms, Rooms
from signaling.rooms.sockets import SEND_TIMEOUT, Socket, quietly, refuse, send
from signaling.rooms.stun import stun_url
from signaling.static_files import add_headers, add_pages, errors_as_json, json_error

log = logging.getLogger(__name__)

BURST = 100
"""Messages that a peer may send at once. A call takes about five in all."""
RATE = 20.0
"""Messages that a peer may send a second after that."""


@dataclass(frozen=True)
class ServerConfig:
    """A server's options.

    ``ice``: ICE servers sent to every peer that joins. ``heartbeat``: seconds of silence before a
    peer is pinged; after three times as long it is stale and removed. ``join_timeout``: seconds
    that a new socket has to join a room. ``idle_timeout``: seconds that a peer may wait alone.
    ``max_rooms``: rooms open at once. ``secret``: peers need a token made with it
    (:mod:`signaling.rooms.access`). ``origins``: sites whose pages may connect besides this
    server's own, as ``https://HOST``. ``per_minute``: sockets that one address may open a minute, and
    queries about rooms that it may make; ``per_address``: sockets that it may have open at once.
    ``behind_proxy``: addresses are read from X-Forwarded-For. ``redis``: URL of the Redis that keeps
    the rooms, if several servers share them; None: in memory.
    """

    ice: IceConfig = field(default_factory=IceConfig)
    heartbeat: float = 15.0
    join_timeout: float = 10.0
    idle_timeout: float = 6 * 3600.0
    max_rooms: int = MAX_ROOMS
    secret: bytes | None = field(default=None, repr=False)
    origins: frozenset[str] = frozenset()
    per_minute: float = PER_MINUTE
    per_address: int = PER_ADDRESS
    behind_proxy: bool = False
    redis: str | None = field(default=None, repr=False)


def open_rooms(url: str, limit: int) -> Rooms:
    """Rooms in Redis. Raises ``SignalingError``: ``bad_url``, or ``no_redis`` without the ``redis`` extra."""
    try:
        from signaling.rooms.redis_rooms import RedisRooms
    except ImportError:
        raise SignalingError("no_redis", f"rooms in Redis need an extra: {install_command('redis')}") from None
    try:
        return RedisRooms(url, limit)
    except ValueError as error:
        raise SignalingError("bad_url", f"not a Redis URL: {error}") from None


class SignalingServer:
    """State of one server: its rooms, open sockets, and the port of its STUN server, if it has one. ``create_app``
    creates one per application."""

    def __init__(self, config: ServerConfig, rooms: Rooms) -> None:
        self.config, self.rooms = config, rooms
        self.sockets: set[web.WebSocketResponse] = set()
        self.stun_port: int | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.attempts, self.room_queries = Attempts(config.per_minute), Attempts(config.per_minute)
        self.open_sockets = OpenSockets(config.per_address)
        self.metrics = Metrics(rooms.totals, lambda: len(self.sockets))
        # Two for each room, and some that have yet to join or to be refused.
        self.max_sockets = 3 * config.max_rooms

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/ws``: one peer from join to leave."""
        if refusal := self._unwelcome(request):
            self.metrics.refused.labels(refusal[1]).inc()
            return json_error(*refusal)
        # Pongs have to be seen here (autoping off): they show that a silent peer is alive.
        socket = Socket(timeout=2.0, max_msg_size=MAX_MESSAGE, autoping=False, compress=False)
        if not socket.can_prepare(request).ok:
            return json_error(426, "upgrade_required", "this address speaks WebSocket only")
        address = self._address(request)
        self.sockets.add(socket)
        self.open_sockets.enter(address)
        try:
            await socket.prepare(request)
            await self._converse(socket, request)
        except SignalingError as error:
            self.metrics.refused.labels(error.code).inc()
            await refuse(socket, error)
        finally:
            self.sockets.discard(socket)
            self.open_sockets.leave(address)
            await quietly(socket.close())
        return socket

    def _address(self, request: web.Request) -> str:
        return address_of(request, self.config.behind_proxy)

    def _unwelcome(self, request: web.Request) -> tuple[int, str, str] | None:
        """Why a socket is refused before it opens: status, code, text."""
        if not same_origin(request, self.config.origins):
            return 403, "bad_origin", "pages of other sites may not use this server"
        if self.open_sockets.full(self._address(request)):  # not counted as an attempt: peers may need those to rejoin
            return 429, "too_many_sockets", "too many open connections from this address"
        if not self.attempts.allow(self._address(request), time.monotonic()):
            return 429, "too_many_attempts", "too many connections from this address, try again in a minute"
        if len(self.sockets) >= self.max_sockets:
            return 503, "server_full", "this server has no place left, try again later"
        return None

    def _ice(self, host: str) -> list[dict[str, Any]]:
        """ICE servers for a client that reached this server as ``host``: the configured ones, and this server's own STUN
        server unless they include one. At most 8."""
        named = self.config.ice.entries()
        if self.stun_port is None or any(url.startswith("stun:") for entry in named for url in entry["urls"]):
            return named
        return [{"urls": [stun_url(host, self.stun_port)]}, *named][:8]

    async def _converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        try:
            async with asyncio.timeout(self.config.join_timeout):
                text = await self._next(socket)
        except TimeoutError:
            raise SignalingError("stale", f"no join within {self.config.join_timeout:g} s") from None
        if text is None:
            return
        join = parse(text)
        if not isinstance(join, Join):
            raise SignalingError("not_joined", "the first message must be a join")
        began = time.perf_counter()
        if self.config.secret is not None:
            check_token(self.config.secret, join.room, join.access)

        # In a room shared with other servers, messages may arrive for this peer before its join is answered.
        early: deque[Message] | None = deque()

        async def deliver(item: Message | SignalingError) -> bool:
            if isinstance(item, SignalingError):  # in the background: closing a dead socket takes seconds
                task = asyncio.create_task(refuse(socket, item))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
                return False
            if early is not None:
                early.append(item)
                return len(early) < BURST
            if await send(socket, item):
                return True
            if request.transport is not None:  # it does not read: nothing more is kept for it
                request.transport.abort()
            return False

        member = await self.rooms.enter(join.room, join.token, deliver)
        self.metrics.joins.inc()
        label = room_label(join.room)
        log.info("a peer has joined", extra={"event": "joined", "room": label})
        try:
            view = await self.rooms.view(join.room, member)
            await send(socket, Joined(room=join.room, polite=not view.first, ice=self._ice(request.host)))
            while early:
                await send(socket, early.popleft())
            early = None
            self.metrics.join_seconds.observe(time.perf_counter() - began)
            await self._tell_both(join.room, member)
            await self._relay(join.room, member, socket)
        finally:
            if await self.rooms.leave(join.room, member):
                with contextlib.suppress(SignalingError):
                    await self.rooms.send(join.room, member, Presence(present=False))
            log.info("a peer has left", extra={"event": "left", "room": label})

    async def _tell_both(self, room: str, member: Member) -> None:
        view = await self.rooms.view(room, member)
        if view.other is None:
            await member.deliver(Presence(present=False))
            return
        mine = Presence(present=True, offer=view.first, peer=view.other)
        its = Presence(present=True, offer=not view.first, peer=member.label)
        # Notify the answering peer first: it must know the other peer before the offer arrives.
        if view.first:
            await self.rooms.send(room, member, its)
            await member.deliver(mine)
        else:
            await member.deliver(mine)
            await self.rooms.send(room, member, its)

    async def _relay(self, room: str, member: Member, socket: web.WebSocketResponse) -> None:
        async def alone() -> bool:
            return (await self.rooms.view(room, member)).other is None

        allowance, last = float(BURST), time.monotonic()
        while (text := await self._next(socket, alone)) is not None:
            now = time.monotonic()
            allowance, last = min(BURST, allowance + (now - last) * RATE) - 1, now
            if allowance < 0:
                raise SignalingError("too_many_messages", f"more than {RATE:g} messages a second")
            message = parse(text)
            if isinstance(message, Join):
                raise SignalingError("already_joined", "this socket is in a room already")
            if not isinstance(message, RELAYED):
                raise SignalingError("unknown_type", f"a peer does not send {message.type!r}")
            self.metrics.messages.labels(message.type).inc()
            # Nothing is kept for a peer that is away; the sender is notified instead.
            if not await self.rooms.send(room, member, message):
                await member.deliver(Presence(present=False))

    async def _next(self, socket: web.WebSocketResponse, alone: Callable[[], Awaitable[bool]] | None = None) -> str | None:
        """The next text message, None once the socket is closed. A peer that leaves two pings
        unanswered is stale; one that is ``alone`` for too long is idle."""
        unanswered, heartbeat = 0, self.config.heartbeat
        since = looked = time.monotonic()
        while True:
            now = time.monotonic()
            if now - looked >= heartbeat:
                looked = now
                since = since if alone and await alone() else now
                if now - since > self.config.idle_timeout:
                    raise SignalingError("idle", "nobody else joined the room for too long")
            try:
                message = await socket.receive(timeout=heartbeat)
            except TimeoutError:
                if unanswered == 2:
                    raise SignalingError("stale", f"nothing received for {3 * heartbeat:g} s") from None
                unanswered += 1
                await quietly(socket.ping())
                continue
            unanswered = 0
            if message.type is WSMsgType.TEXT:
                text: str = message.data
                return text
            if message.type is WSMsgType.PING:
                if not await quietly(asyncio.wait_for(socket.pong(message.data), SEND_TIMEOUT)):
                    return None  # it sends pings but does not read
            elif message.type is WSMsgType.BINARY:
                raise SignalingError("bad_message", "messages are JSON text, not binary")
            elif message.type is not WSMsgType.PONG:
                return None

    async def health(self, _: web.Request) -> web.Response:
        """Handle GET ``/healthz``."""
        rooms, peers = self.rooms.totals()
        ready = await self.rooms.ready()
        content = {"status": "ok" if ready else "no rooms", "rooms": rooms, "peers": peers}
        return web.json_response(content, status=200 if ready else 503)

    async def room(self, request: web.Request) -> web.Response:
        """Handle GET ``/rooms/NAME``: how many peers are in it, for the landing page. Refused if the server
        requires tokens."""
        if self.config.secret is not None:
            return json_error(403, "no_token", "this server requires tokens, so it does not report who is in a room")
        if not self.room_queries.allow(self._address(request), time.monotonic()):
            return json_error(429, "too_many_attempts", "too many queries from this address, try again in a minute")
        name = request.match_info["name"]
        if not re.fullmatch(ROOM_PATTERN, name):
            return json_error(400, "bad_room", "a room's name has 1 to 64 letters, digits, _ or -")
        try:
            return web.json_response({"room": name, "peers": await self.rooms.count(name)})
        except SignalingError as error:
            return json_error(503, error.code, str(error))

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """``cleanup_ctx``: the rooms are open for as long as the server runs."""
        await self.rooms.open()
        yield
        await self.rooms.close()

    async def shut_down(self, _: web.Application) -> None:
        """``on_shutdown`` signal: send every peer the error ``shutdown``."""
        error = SignalingError("shutdown", "the signaling server is shutting down")
        await asyncio.gather(*(refuse(socket, error) for socket in tuple(self.sockets)))


SERVER = web.AppKey("SERVER", SignalingServer)


def create_app(config: ServerConfig | None = None, middlewares: Sequence[Middleware] = ()) -> web.Application:
    """The signaling server as an aiohttp application, behind these middlewares. Raises ``SignalingError`` (``bad_url``,
    ``no_redis``) as :func:`open_rooms`."""
    config = config or ServerConfig()
    rooms = open_rooms(config.redis, config.max_rooms) if config.redis else MemoryRooms(config.max_rooms)
    server = SignalingServer(config, rooms)
    app = web.Application(middlewares=[*middlewares, errors_as_json], client_max_size=MAX_MESSAGE)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(server.run)
    app[SERVER] = server
    app.on_shutdown.append(server.shut_down)
    add_pages(
        app,
        {"/": "index.html"}
        | {f"/{name}": name for name in ("index.js", "names.js", "index.css", "page.css", "icon.svg", "call.css", "speaker.js")},
    )
    CallPage().add_to(app)
    app.router.add_get("/ws", server.serve)
    app.router.add_get("/healthz", server.health)
    app.router.add_get("/metrics", server.metrics.page)
    app.router.add_get("/rooms/{name}", server.room)
    return app
