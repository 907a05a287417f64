"""A peer's side of the signaling socket: joins a room, sends and receives aiortc's objects, and
reconnects after a lost connection."""

import asyncio
import contextlib
import logging
import secrets
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiortc import RTCIceCandidate, RTCSessionDescription
from aiortc.contrib.signaling import BYE, SignalingBye

from codec.errors import reason, system_reason
from signaling.config import IceConfig, IceConfigError
from signaling.protocol import (
    MAX_MESSAGE,
    ErrorMessage,
    Join,
    Joined,
    Message,
    Presence,
    Ready,
    SignalingError,
    from_aiortc,
    parse,
    to_aiortc,
)

log = logging.getLogger(__name__)

Event = RTCSessionDescription | RTCIceCandidate | SignalingBye | Presence | Ready
"""What ``receive`` returns: aiortc's objects from the other peer, its arrival and departure, its request for an offer."""

JOIN_TIMEOUT = 10.0
"""Seconds that the first attempt to connect and join may take."""
REJOIN_TIMEOUT = 3.0
"""Seconds that a later attempt may take; short, so that the next one soon finds a network that is back."""
PAUSE_MAX = 2.0
"""Longest pause between two attempts, in seconds."""
CLOSE_TIMEOUT = 1.0
"""Seconds to wait for the server to confirm a close."""
PASSING = ("lost", "shutdown", "stale", "unavailable")
"""Codes of temporary errors, after which the socket is opened again."""
MAX_WAITING = 256
"""Events kept for a caller that does not read them; beyond that the oldest are dropped."""


def socket_url(server: str) -> str:
    """The WebSocket URL of a server given as ``http(s)://HOST[:PORT][/PATH]`` or ``ws(s)://…``;
    ``/ws`` is appended.

    Raises:
        SignalingError: ``bad_url``.
    """
    try:
        parts = urlsplit(server if "://" in server else "http://" + server)
        scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[parts.scheme]
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except (ValueError, KeyError):
        raise SignalingError("bad_url", f"{server!r} is not a server's URL: write http://HOST:PORT or https://HOST") from None
    path = parts.path.rstrip("/").removesuffix("/ws") + "/ws"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def call_link(server: str, room: str, access: str | None = None) -> str:
    """The URL at which a browser joins ``room``: the page of :mod:`signaling.call_page`. A token is the fragment (after
    ``#``), which browsers do not send to servers.

    Raises:
        SignalingError: ``bad_url``.
    """
    parts = urlsplit(socket_url(server))
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    return urlunsplit((scheme, parts.netloc, f"{parts.path.removesuffix('/ws')}/call/{room}", "", access or ""))


def invitation(server: str, room: str, access: str | None = None) -> str:
    """What to tell the user about :func:`call_link`. Raises ``SignalingError``: ``bad_url``."""
    link = call_link(server, room, access)
    here = urlsplit(link).hostname in ("localhost", "127.0.0.1", "::1")
    hint = " (opens on this machine only: for another, name a server that both can reach with --server)" if here else ""
    return f"link for the other person: {link}{hint}"


class SignalingClient:
    """One peer in one room, as an async context manager.

    A lost socket is opened again with the same token, so that the peer keeps its place; attempts
    end after ``patience`` seconds. The room persists when the other peer leaves and another joins;
    ``receive`` reports both.

    Attributes:
        polite: the other peer was in the room first (None before joining).
        ice: the ICE servers that the signaling server sent.
        peer: the latest ``Presence`` of the other peer: whether it is present, its session, and who makes the offer.
        spare: a peer connection is up, which needs no signaling: while it lasts, a lost server is tried without limit. Set
            by the owner of that connection.
    """

    def __init__(self, server: str, room: str, *, patience: float = 60.0, access: str | None = None) -> None:
        """``access``: a token for the room (:mod:`signaling.rooms.access`), if the server requires one.

        Raises ``SignalingError`` (``bad_url``, ``bad_room``, ``bad_message`` for an ``access`` that
        is not a token)."""
        self.url = socket_url(server)
        self.room = room
        self.polite: bool | None = None
        self.ice = IceConfig()
        self.peer = Presence(present=False)
        self._join = parse(Join.model_construct(room=room, token=secrets.token_urlsafe(24), access=access).model_dump_json())
        self._patience = patience
        self.spare = False
        self._events: list[Event] = []
        self._hung_up = False  # the other peer said bye and has not come back
        self._changed, self._answered = asyncio.Condition(), asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._error: SignalingError | None = None

    async def __aenter__(self) -> "SignalingClient":
        """Connect and join.

        Raises:
            SignalingError: ``unreachable``, or the server's refusal (``room_full`` …).
        """
        self._session = aiohttp.ClientSession()
        try:
            await self._open()
        except BaseException:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Say bye and leave the room."""
        await self.close()

    async def send(self, thing: RTCSessionDescription | RTCIceCandidate | SignalingBye | Ready) -> None:
        """Send to the other peer. The server drops what is sent while that peer is away.

        Raises:
            SignalingError: the client is closed, or ``lost``: the socket is being opened again.
        """
        if self._error:
            raise self._error
        message = thing if isinstance(thing, Ready) else from_aiortc(thing)
        if self._socket is None or self._socket.closed:
            raise SignalingError("lost", "the signaling connection is lost and being opened again")
        try:
            await self._socket.send_str(message.model_dump_json())
        except (ConnectionError, RuntimeError, aiohttp.ClientError) as error:
            raise SignalingError("lost", f"the signaling connection was lost while sending ({reason(error)})") from None

    async def receive(self) -> Event:
        """Wait for the next event.

        Raises:
            SignalingError: nothing more will come: the client was closed, the server ended the session, or the connection
                was lost for longer than ``patience``.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._events or self._error)
            if self._events:
                return self._events.pop(0)
            assert self._error is not None
            raise self._error

    async def wait_for_peer(self) -> bool:
        """Wait, without limit, until the other peer is in the room. Takes no event away from ``receive``.

        Returns False, once, if that peer has said bye and left: the connection that received the
        bye may already have been ending for another reason.

        Raises:
            SignalingError: as ``receive``.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.peer.present or self._hung_up or self._error)
            if self._error:
                raise self._error
            if not self.peer.present:  # until then the bye counts: the server reports the departure a moment later
                self._hung_up = False
            return self.peer.present

    async def alive(self, seconds: float) -> bool:
        """Whether the server answers a ping within ``seconds``. If it doesn't, the socket is dead
        or the network is down: the socket is closed, and opened again as after a loss.

        Raises:
            SignalingError: the client is closed.
        """
        if self._error:
            raise self._error
        socket = self._socket
        if socket is None or socket.closed:
            return False
        self._answered.clear()
        try:
            async with asyncio.timeout(seconds):
                await socket.ping()
                await self._answered.wait()
        except (TimeoutError, ConnectionError, aiohttp.ClientError):
            await socket.close()  # the task that reads it opens it again
            return False
        return True

    async def put_back(self, event: Event) -> None:
        """Put an event back, so that ``receive`` returns it next: it was meant for another connection."""
        async with self._changed:
            self._events.insert(0, event)
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop the waiting events from before a new connection; if this side answers, the newest
        offer is kept."""
        offers: list[Event] = [e for e in self._events if isinstance(e, RTCSessionDescription) and e.type == "offer"]
        self._events = offers[-1:] if self.peer.present and not self.peer.offer else []

    async def close(self) -> None:
        """Say bye and leave; ``receive`` raises from now on. Does nothing the second time."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(SignalingError):
                await self.send(BYE)
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        await self._end(SignalingError("closed", "the signaling client is closed"))

    async def _open(self, seconds: float = JOIN_TIMEOUT) -> None:
        assert self._session is not None
        try:
            async with asyncio.timeout(seconds):
                socket = await self._session.ws_connect(
                    self.url, max_msg_size=2 * MAX_MESSAGE, heartbeat=20.0, autoping=False,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                )  # fmt: skip
                try:
                    await self._enter(socket)
                except BaseException:
                    await socket.close()
                    raise
        except aiohttp.WSServerHandshakeError as error:
            why = {403: "access is not allowed", 429: "too many connections from here", 503: "it is full"}.get(error.status)
            raise SignalingError("unreachable", f"{self.url} refuses: {why or error.message} ({error.status})") from None
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            system = getattr(error, "os_error", None)
            why = system_reason(system) if isinstance(system, OSError) and system.errno else reason(error)
            hint = "start one with 'facewire serve', or name another with --server"
            raise SignalingError("unreachable", f"no signaling server answers at {self.url} ({why}): {hint}") from None
        self._socket = socket

    async def _enter(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(self._join.model_dump_json())
        answer = await self._next(socket)
        if not isinstance(answer, Joined):
            raise SignalingError("bad_message", f"{self.url} does not speak facewire signaling")
        try:
            self.ice = IceConfig.from_entries(answer.ice)
        except IceConfigError as error:
            raise SignalingError("bad_message", f"the signaling server sent invalid ICE servers: {error}") from None
        self.polite = answer.polite

    async def _read(self) -> None:
        while True:
            assert self._socket is not None
            try:
                while True:
                    await self._take(await self._next(self._socket))
            except SignalingError as error:
                await self._socket.close()
                if error.code not in PASSING:
                    return await self._end(error)
                log.info("signaling: %s; opening it again", error)
                await self._take(Presence(present=False))  # Until the server reports otherwise.
            try:
                await self._open_again()
            except SignalingError as error:
                return await self._end(error)

    async def _open_again(self) -> None:
        deadline, pause = asyncio.get_running_loop().time() + self._patience, 0.25
        while True:
            try:
                return await self._open(REJOIN_TIMEOUT)
            except SignalingError as error:
                if self.spare:
                    deadline = asyncio.get_running_loop().time() + self._patience
                # A server that refuses will keep refusing; one that can't be reached may come back.
                if error.code not in ("unreachable", *PASSING) or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX)

    async def _take(self, message: Message) -> None:
        if isinstance(message, Presence):
            if message.peer != self.peer.peer and message.present:
                # Events from a previous peer are of no use to a connection with this one.
                self._events = [e for e in self._events if isinstance(e, Presence)]
            # While the peer is away its label is kept: the same one may come back.
            self.peer = message if message.present else self.peer.model_copy(update={"present": False})
            self._hung_up = self._hung_up and not message.present
            event: Event | None = message
        elif isinstance(message, Ready):
            event = message
        else:
            try:
                event = to_aiortc(message)
            except SignalingError as error:  # the other peer's error: no reason to leave the room
                log.info("signaling: %s", error)
                return
        if event is not None:
            async with self._changed:
                self._hung_up = self._hung_up or isinstance(event, SignalingBye)
                self._events = [*self._events, event][-MAX_WAITING:]
                self._changed.notify_all()

    async def _end(self, error: SignalingError) -> None:
        async with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    async def _next(self, socket: aiohttp.ClientWebSocketResponse) -> Message:
        """The next message; raises ``SignalingError`` with the server's own code, or ``lost``."""
        while True:
            received = await socket.receive()
            if received.type is aiohttp.WSMsgType.PONG:
                self._answered.set()
            elif received.type is aiohttp.WSMsgType.PING:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                    await socket.pong(received.data)
            else:
                break
        if received.type is not aiohttp.WSMsgType.TEXT:
            raise SignalingError("lost", "the signaling connection was lost")
        message = parse(received.data)
        if isinstance(message, ErrorMessage):
            raise SignalingError(message.code, message.message)
        return message
