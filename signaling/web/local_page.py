"""The local page of one call, served at localhost by the process that is in the call.

Pictures reach the browser over WebRTC on this machine (``/offer``), sound over a WebSocket
(``/sound``); numbers go out and commands come in over another (``/live``). Anyone who can reach
this page sees and hears the call, so it answers local names only.
"""

import asyncio
import contextlib
import json
import logging
import math
import numbers
from collections.abc import Coroutine, Iterable
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from aiohttp import WSMsgType, web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from pydantic import BaseModel, Field, ValidationError

from receiver.outputs.page_audio import AudioBroadcast
from signaling.config import IceConfig
from signaling.static_files import json_error
from signaling.transport import patches, sdp
from signaling.web.audio import PageSound
from signaling.web.capture import Capture
from signaling.web.local import local_app
from signaling.web.media_relay import Relay

log = logging.getLogger(__name__)

MAX_VIEWERS = 4
"""Browser tabs at once; each costs two video encoders."""
CONNECT_TIMEOUT = 30.0
"""Seconds that a browser has to connect after its offer."""
STATS_INTERVAL = 0.5
"""Seconds between two messages of numbers."""
SMALL_INTERVAL = 0.1
"""Seconds between two 8×8 pictures sent to a window that shows them."""
_KINDS = {"video": 2}


class PageEngine(Protocol):
    """The call, as the page sees it. All methods are called on the event loop and return at once."""

    def video_track(self) -> MediaStreamTrack:
        """The remote face as rendered: 256×256, 25 FPS."""

    def preview_track(self) -> MediaStreamTrack:
        """What the peer sees of this side."""

    def voice(self) -> AudioBroadcast:
        """The peer's sound."""

    def stats(self) -> dict[str, float | str | bool | None]:
        """Numbers to show: state, bpp_video, wire_kbps_out, wire_kbps_in, fps, drawn_fps, delay_ms,
        loss (0..1), face, local_face, local_enlarged, muted, camera, away, remote_muted, peer_present,
        consistency_db, consistency_worst_db (its lowest value in two seconds); any may be missing or
        None."""

    def small(self) -> npt.NDArray[np.uint8] | None:
        """The sent picture that the current frame was rendered from, RGB (8, 8, 3); None before the first."""

    def command(self, name: str, value: bool) -> None:
        """``mute`` (True: silent), ``camera`` (True: on), ``away`` (True: silent,
        camera off, and signalled to the peer), ``hangup``."""


class _Offer(BaseModel):
    type: Literal["offer"]
    sdp: str = Field(min_length=1, max_length=65_536)


class _Command(BaseModel):
    command: Literal["mute", "camera", "away", "hangup", "small"]
    value: bool = True


def page_app(
    engine: PageEngine, capture: Capture | None = None, *, allowed_hosts: Iterable[str] = ()
) -> web.Application:  # fmt: skip
    """The page of one call as an aiohttp application; connections to browsers end with it.

    Args:
        engine: the call that is shown.
        capture: receives the window's camera and microphone; None if the call uses neither.
        allowed_hosts: host names, without port, that may be used besides localhost, 127.0.0.1 and ::1.
    """
    patches.apply()
    page = _Page(engine, capture)
    app = local_app(allowed_hosts)
    app.on_shutdown.append(page.shut_down)
    app.router.add_post("/offer", page.offer)
    app.router.add_get("/live", page.live)
    app.router.add_get("/sound", page.sound.serve)
    if capture:
        app.router.add_get("/capture", capture.serve)
    return app


class _Page:
    """State of the page: the browsers connected to it."""

    def __init__(self, engine: PageEngine, capture: Capture | None) -> None:
        self._engine, self._capture = engine, capture
        self._relay, self.sound = Relay(), PageSound(engine.voice())
        self._tracks: list[MediaStreamTrack] = []
        self._viewers: set[RTCPeerConnection] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, request: web.Request) -> web.Response:
        """Handle POST ``/offer``: answer with the remote face and the preview, in the offer's order."""
        try:
            offer = _Offer.model_validate(json.loads(await request.read()))
            sdp.check(offer.sdp, _KINDS)
        except (ValueError, RecursionError) as error:
            text = "expected {type: 'offer', sdp}" if isinstance(error, ValidationError) else str(error)[:200]
            return json_error(400, "bad_offer", text)
        if len(self._viewers) >= MAX_VIEWERS:
            return json_error(503, "too_many_viewers", f"{MAX_VIEWERS} windows show this call already")
        pc = RTCPeerConnection(IceConfig().to_aiortc())
        self._viewers.add(pc)
        try:
            await sdp.apply(pc, RTCSessionDescription(sdp.resolve_local(offer.sdp), "offer"))
            self._attach(pc)
            await pc.setLocalDescription(await pc.createAnswer())
        except Exception as error:
            await self._drop(pc)
            if isinstance(error, sdp.DescriptionError):
                return json_error(400, "bad_offer", str(error))
            log.exception("page: a browser's offer could not be answered")
            return json_error(500, "no_answer", "the offer could not be answered")
        self._spawn(self._watch(pc))
        return web.json_response({"type": pc.localDescription.type, "sdp": pc.localDescription.sdp})

    def _attach(self, pc: RTCPeerConnection) -> None:
        if not self._tracks:
            self._tracks = [self._engine.video_track(), self._engine.preview_track()]
        for transceiver, track in zip(pc.getTransceivers(), self._tracks, strict=False):
            transceiver.sender.replaceTrack(self._relay.subscribe(track))
            transceiver.direction = "sendonly"

    async def _watch(self, pc: RTCPeerConnection) -> None:
        """Close a browser's connection when it fails, ends or is never established."""
        changed = asyncio.Event()
        pc.on("connectionstatechange", changed.set)
        deadline = asyncio.get_running_loop().time() + CONNECT_TIMEOUT
        with contextlib.suppress(TimeoutError):
            while pc.connectionState not in ("failed", "closed"):
                async with asyncio.timeout_at(None if pc.connectionState == "connected" else deadline):
                    await changed.wait()
                changed.clear()
        await self._drop(pc)

    async def _drop(self, pc: RTCPeerConnection) -> None:
        self._viewers.discard(pc)
        for sender in pc.getSenders():
            if sender.track is not None:
                sender.track.stop()
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(pc.close(), 3.0)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/live``: stats out twice a second, commands in."""
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=4096, timeout=2.0, compress=False)
        if not socket.can_prepare(request).ok:
            return json_error(426, "upgrade_required", "this address speaks WebSocket only")
        await socket.prepare(request)
        self._sockets.add(socket)
        pushers = {"stats": asyncio.create_task(self._push(socket))}
        try:
            async for message in socket:
                reply = self._command(socket, pushers, message.data) if message.type is WSMsgType.TEXT else "expected JSON text"
                if reply is not None:
                    await socket.send_json({"type": "error", "code": "bad_command", "message": reply})
                elif message.type is WSMsgType.TEXT:
                    await self._send_stats(socket)  # The page shows a command's effect at once.
        except (ConnectionError, RuntimeError):
            pass
        finally:
            for pusher in pushers.values():
                pusher.cancel()
            self._sockets.discard(socket)
        return socket

    def _command(self, socket: web.WebSocketResponse, pushers: dict[str, asyncio.Task[None]], text: str) -> str | None:
        try:
            command = _Command.model_validate(json.loads(text))
        except (ValueError, RecursionError):
            return "expected {command: 'mute' | 'camera' | 'away' | 'hangup' | 'small', value: true | false}"
        if command.command == "small":  # for this window only
            if pusher := pushers.pop("small", None):
                pusher.cancel()
            if command.value:
                pushers["small"] = asyncio.create_task(self._push_small(socket))
            return None
        try:
            self._engine.command(command.command, command.value)
        except Exception:
            log.exception("page: the command %s failed", command.command)
            return f"{command.command} failed"
        return None

    async def _push(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not socket.closed:
                await self._send_stats(socket)
                await asyncio.sleep(STATS_INTERVAL)

    async def _push_small(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not socket.closed:
                picture = self._engine.small()
                if picture is not None:
                    await socket.send_json({"type": "small", "rgb": picture.reshape(-1).tolist()})
                await asyncio.sleep(SMALL_INTERVAL)

    async def _send_stats(self, socket: web.WebSocketResponse) -> None:
        stats = {key: _plain(value) for key, value in self._engine.stats().items()}
        if capture := self._capture:
            stats |= {"page_camera": capture.camera is not None, "page_microphone": capture.microphone is not None}
        await socket.send_json({"type": "stats", "stats": stats})

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def shut_down(self, _: web.Application) -> None:
        """``on_shutdown`` signal: disconnect every browser."""
        for task in tuple(self._tasks):
            task.cancel()
        for socket in tuple(self._sockets):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self._send_stats(socket)  # a last message: the page learns that the call has ended
        if self._capture:
            await self._capture.close()
        await self.sound.close()
        await asyncio.gather(*(socket.close(code=1001) for socket in tuple(self._sockets)), return_exceptions=True)
        await asyncio.gather(*(self._drop(pc) for pc in tuple(self._viewers)), return_exceptions=True)


def _plain(value: object) -> float | str | bool | None:
    """A stat as JSON can carry it: NumPy's numbers as Python's, infinities and NaN (a perfect PSNR) as null."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return str(value)
