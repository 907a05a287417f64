"""``facewire call``, ``send`` and ``receive``."""

import asyncio
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.options import (
    DEFAULT_SERVER,
    Access,
    Audio,
    Bitrate,
    CallAudio,
    CallVideo,
    Crop,
    Device,
    Fps,
    Ice,
    IceFile,
    Json,
    KeyframeOption,
    LightFolder,
    Limit,
    Loop,
    OpenPage,
    Outs,
    Port,
    RefreshOption,
    Seconds,
    Server,
    ShapeOption,
    Stats,
    Threads,
    TraceFolder,
    Video,
    Weights,
    errors,
    say,
    show,
)


def stream_config(
    crop: str, keyframe: str, bitrate: int = 6000, size: int = 8, tick: int = 200, live: bool = False,
    shape: bool = True,
) -> Any:  # fmt: skip
    """The :class:`sender.stream.StreamConfig` that the options describe. Raises ``typer.BadParameter``."""
    from codec.bundle import TICK_MODES
    from sender.stream import PICTURE_BYTES, StreamConfig

    if crop not in ("face", "none"):
        raise typer.BadParameter(f"{crop!r} is not face or none", param_hint="--crop")
    if keyframe not in ("auto", "first"):
        raise typer.BadParameter(f"{keyframe!r} is not auto or first", param_hint="--keyframe")
    if size not in PICTURE_BYTES:
        raise typer.BadParameter(f"{size} is not {', '.join(map(str, PICTURE_BYTES))}", param_hint="--size")
    if tick not in TICK_MODES:
        raise typer.BadParameter(f"{tick} is not {', '.join(map(str, TICK_MODES))}", param_hint="--tick")
    tick_mode = TICK_MODES.index(tick)
    return StreamConfig(
        crop=crop, keyframe=keyframe, bitrate=bitrate, size=size, tick_mode=tick_mode, pauses=live, shape=shape,  # type: ignore[arg-type]
    )  # fmt: skip


def _session(
    json: bool, ice: list[str] | None, ice_file: Path | None, open_page: bool, room: str | None, **settings: Any
) -> None:  # fmt: skip
    from signaling.client import invitation
    from signaling.config import IceConfig
    from signaling.session.lobby import run_lobby
    from signaling.session.session import Session, SessionConfig

    def on_page(url: str) -> None:
        say(f"page: {url}")
        if open_page:  # in a thread, because a browser may take long to open
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    config = SessionConfig(ice=IceConfig.load(ice or [], ice_file), room=room or "", **settings)
    if room is None:
        asyncio.run(run_lobby(config, on_page, lambda figures: show(figures, json), say))
        return
    session = Session(config)
    session.on_page = on_page
    session.on_safety = lambda code: say(f"safety code: {code}")
    session.on_joined = lambda: say(invitation(config.server, room, config.access))
    if errors.is_terminal and not json:
        say("loading the networks and joining the room")
    figures = asyncio.run(session.run())
    if not figures.get("seconds", True):
        say(f"nobody joined room {room}")
        if not json:
            return
    show(figures, json)


def call(
    room: Annotated[str | None, typer.Argument(help="A name that both people know; without one the page asks for it.")] = None,
    server: Server = DEFAULT_SERVER, token: Access = None, video: CallVideo = None, audio: CallAudio = None,
    out: Outs = None, ice: Ice = None, ice_file: IceFile = None, crop: Crop = "face", keyframe: KeyframeOption = "auto",
    bitrate: Bitrate = 6000, limit: Limit = 12, refresh: RefreshOption = True, shape: ShapeOption = True, seconds: Seconds = None,
    loop: Loop = False, page_port: Port = 8791, open_page: OpenPage = True, fps: Fps = None, device: Device = "auto",
    weights: Weights = None, threads: Threads = 2, trace: TraceFolder = None, light: LightFolder = None, stats: Stats = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Join a two-party call; the page at localhost shows and controls it."""
    from signaling.session.endpoints import is_camera

    outs = out or ["page"]
    video = video or ("page" if "page" in outs else "cam0")
    audio = audio or ("page" if video == "page" else "mic" if is_camera(video) else None)
    if "page" not in outs and (room is None or "page" in (video, audio)):
        raise typer.BadParameter(
            "name a ROOM, or add --out page" if room is None else "page as --video or --audio needs --out page"
        )
    _session(
        json, ice, ice_file, open_page, server=server, room=room, access=token, video=video, audio=audio, outs=outs,
        stream=stream_config(crop, keyframe, bitrate, live=True, shape=shape), seconds=seconds, loop=loop, page_port=page_port,
        device=device, weights=weights, threads=threads, trace=trace, light=light, limit_kbps=limit, refresh=refresh,
        stats=stats, fps=_fps(fps),
    )  # fmt: skip


def _fps(wanted: int | None) -> int | None:
    if wanted not in (None, 25, 50):
        raise typer.BadParameter(f"{wanted} is not 25 or 50", param_hint="--fps")
    return wanted


def send(
    room: str, server: Server = DEFAULT_SERVER, token: Access = None, video: Video = "cam0", audio: Audio = None, ice: Ice = None,
    ice_file: IceFile = None, crop: Crop = "face", keyframe: KeyframeOption = "auto", bitrate: Bitrate = 6000,
    limit: Limit = 12, refresh: RefreshOption = True, shape: ShapeOption = True, seconds: Seconds = None, loop: Loop = False,
    trace: TraceFolder = None, light: LightFolder = None, stats: Stats = None, json: Json = False,
) -> None:  # fmt: skip
    """Send a face, receive nothing."""
    from signaling.session.endpoints import is_camera

    if "page" in (video, audio):
        raise typer.BadParameter("only `facewire call` serves a page", param_hint="--video, --audio")
    audio = audio or ("mic" if video is None or is_camera(video) else None)
    _session(
        json, ice, ice_file, False, server=server, room=room, access=token, video=video, audio=audio,
        stream=stream_config(crop, keyframe, bitrate, live=True, shape=shape), seconds=seconds, loop=loop, trace=trace,
        light=light, limit_kbps=limit, refresh=refresh, stats=stats,
    )  # fmt: skip


def receive(
    room: str, server: Server = DEFAULT_SERVER, token: Access = None, out: Outs = None, ice: Ice = None, ice_file: IceFile = None,
    many: Annotated[int | None, typer.Option(min=1, help="Receive ROOM-1 to ROOM-N at once; files are numbered, too.")] = None,
    page_port: Port = 0, fps: Fps = None, device: Device = "auto", weights: Weights = None, threads: Threads = 2,
    trace: TraceFolder = None, light: LightFolder = None, stats: Stats = None, json: Json = False,
) -> None:  # fmt: skip
    """Receive a face, send nothing."""
    settings = dict[str, Any](
        server=server, access=token, outs=out or ["page"], page_port=page_port, device=device, weights=weights, threads=threads,
        stats=stats, trace=trace, light=light, fps=_fps(fps),
    )  # fmt: skip
    if many is None:
        _session(json, ice, ice_file, False, room=room, **settings)
        return
    from signaling.config import IceConfig
    from signaling.session.many import run_many
    from signaling.session.session import SessionConfig

    config = SessionConfig(ice=IceConfig.load(ice or [], ice_file), room=room, **settings)
    figures = asyncio.run(run_many(config, many, lambda url: say(f"page: {url}")))
    show(figures, json)
    if figures["failed"]:
        raise typer.Exit(1)
