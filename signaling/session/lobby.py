"""The page before a call: room name, server, Join button. ``facewire call`` without a room begins
here and returns here.

The page is the same as in a call: the state ``lobby``, sent at ``/live``, makes it show the form,
and ``/join`` receives the form.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import WSMsgType, web
from pydantic import BaseModel, Field, ValidationError, field_validator

from signaling.client import invitation, socket_url
from signaling.protocol import SignalingError
from signaling.session.session import Session, SessionConfig
from signaling.static_files import json_error
from signaling.transport.channels import PeerError
from signaling.web.local import local_app, serve_local

EVERY = 1.0
"""Seconds between two messages from the lobby to a window, which show that it is alive."""


class JoinRequest(BaseModel):
    """What a user wants to join."""

    room: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    server: str = Field(pattern=r"^https?://[^\s/@?#]+/?$", max_length=300)
    token: str | None = Field(default=None, max_length=1000)

    @field_validator("server")
    @classmethod
    def _can_be_asked(cls, server: str) -> str:
        try:
            socket_url(server)
        except SignalingError as error:
            raise ValueError(str(error)) from None
        return server


class Lobby:
    """Waits for one :class:`JoinRequest`."""

    def __init__(self, server: str, told: str = "") -> None:
        """``server``: proposed to the user. ``told``: a line that informs the user how the previous call ended."""
        self._state = {"state": "lobby", "server": server, "told": told}
        self._wish: asyncio.Future[JoinRequest] = asyncio.get_running_loop().create_future()
        self._sockets: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        """As an aiohttp application."""
        app = local_app()
        app.router.add_get("/live", self._live)
        app.router.add_post("/join", self._join)
        app.on_shutdown.append(self._shut_down)
        return app

    async def wish(self) -> JoinRequest:
        """Wait for the user's request and return it."""
        return await self._wish

    async def _join(self, request: web.Request) -> web.Response:
        try:
            wish = JoinRequest.model_validate(json.loads(await request.read()))
        except (ValueError, RecursionError) as error:
            fields = {str(e["loc"][0]) for e in error.errors() if e["loc"]} if isinstance(error, ValidationError) else set()
            wrong = ", ".join(sorted(fields)) or "the message"
            return json_error(400, "bad_wish", f"{wrong}: invalid")
        if self._wish.done():
            return json_error(409, "joining", "a call is being joined already")
        self._wish.set_result(wish)
        self._state = {"state": "joining"}
        return web.json_response({})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=4096, timeout=2.0, compress=False)
        if not socket.can_prepare(request).ok:
            return json_error(426, "upgrade_required", "this address speaks WebSocket only")
        await socket.prepare(request)
        self._sockets.add(socket)
        pusher = asyncio.create_task(self._push(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_json({"type": "error", "code": "bad_command", "message": "there is no call"})
        except (ConnectionError, RuntimeError):
            pass
        finally:
            pusher.cancel()
            self._sockets.discard(socket)
        return socket

    async def _push(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not socket.closed:
                await socket.send_json({"type": "stats", "stats": self._state})
                await asyncio.sleep(EVERY)

    async def _shut_down(self, _: web.Application) -> None:
        await asyncio.gather(*(s.close(code=1001) for s in tuple(self._sockets)), return_exceptions=True)


async def run_lobby(
    config: SessionConfig, on_page: Callable[[str], None], on_figures: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Run one call after another, each chosen on the page, until cancelled; ``on_figures`` is called
    with the figures of each.

    Raises what :meth:`signaling.session.session.Session.run` raises, except for rooms that can't be
    joined and peers that can't be reached: the page shows these errors. SIGTERM during a call ends
    the call and this function.
    """
    ended, page_port, server = "", config.page_port, config.server
    for number in itertools.count(1):
        own = config if number == 1 else config.numbered(number)  # no recording overwrites the previous one
        session, lobby = Session(own), Lobby(server, ended)
        runner, url = await serve_local(lobby.app(), page_port)
        try:
            if not ended:
                on_page(url)
            page_port = runner.addresses[0][1]
            wish, _ = await asyncio.gather(lobby.wish(), session.prepare())  # the networks are loaded while the user chooses
        finally:
            await runner.cleanup()
        server = wish.server
        # A token is sent only to the server that it was given for; the page's request may name another.
        access = wish.token or (config.access if server.rstrip("/") == config.server.rstrip("/") else None)
        session.on_safety = lambda code: say(f"safety code: {code}")
        session.config = replace(own, room=wish.room, server=server, access=access, page_port=page_port)
        try:
            say(invitation(server, wish.room, access))
            on_figures(await session.run())
            ended = "The call has ended."
        except (SignalingError, PeerError) as error:
            ended = f"The call could not be made: {error}"
            say(ended)
        if session.terminated:
            return
