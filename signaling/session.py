"""From a user's words (``cam0``, ``mic``, a file, ``page``) to a running call, and what it measured."""

import asyncio
import contextlib
import json
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from models.runtime import Interpolator, Upsampler
from receiver.outputs import FileOutput, Output, Speakers, Window
from receiver.page_tracks import FaceTrack, PageOutput
from receiver.player import Player
from receiver.preview import Preview
from receiver.recorder import Recorder
from receiver.video_file import OutputError
from sender.inputs import AudioInput, Camera, FileSound, Microphone, SourceError
from sender.ladder import Ladder
from sender.mirror import Mirror
from sender.refresh import Refresh
from sender.sources import FileSource, LiveSource, Source
from sender.stream import SenderStream, StreamConfig
from signaling.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.engine import CallEngine
from signaling.page import page_app
from signaling.stats import log_stats
from signaling.trace import Trace


@dataclass
class SessionConfig:
    """What a user asked for. ``video``: "camN", a file, or None; ``audio``: "mic", a file, or None (a video file's own).
    ``outs``: any of "page", "window", "speakers", or an MP4 or .fw path; empty when nothing is received. ``limit_kbps``: see
    :class:`sender.ladder.Ladder`. ``refresh``: look at what is sent as the other side sees it, and send other keyframes.
    ``access``: a token that lets into the room. ``stats``: see :mod:`signaling.stats`."""

    server: str
    room: str
    video: str | None = None
    audio: str | None = None
    outs: list[str] = field(default_factory=list)
    stream: StreamConfig = field(default_factory=StreamConfig)
    ice: IceConfig = field(default_factory=IceConfig)
    seconds: float | None = None
    loop: bool = False
    page_port: int = 0
    device: str = "auto"
    weights: Path | None = None
    threads: int = 2
    trace: Path | None = None
    limit_kbps: float = 12.0
    refresh: bool = True
    access: str | None = None
    stats: Path | None = None


def open_source(config: SessionConfig) -> Source | None:
    """The source that the words name, or None when nothing is sent. Raises ``SourceError``."""
    video, audio = config.video, config.audio
    if video is None and audio is None:
        return None
    if video is not None and not re.fullmatch(r"cam\d+", video):
        if not Path(video).is_file():
            raise SourceError(f"no such file: {video}")
        if audio not in (None, "mic") and not Path(str(audio)).is_file():
            raise SourceError(f"no such file: {audio}")
        sound = Microphone() if audio == "mic" else Path(audio) if audio else None
        return FileSource(Path(video), sound, config.loop, config.seconds)
    camera = Camera(int(video[3:])) if video else None
    live: AudioInput | None = None
    if audio == "mic":
        live = Microphone()
    elif audio:
        if not Path(audio).is_file():
            raise SourceError(f"no such file: {audio}")
        live = FileSound(Path(audio))
    return LiveSource(camera, live, seconds=config.seconds)


def open_outputs(outs: list[str]) -> tuple[list[Output], PageOutput | None]:
    """The outputs that the words name; the page's own among them, apart. Raises ``OutputError``."""
    outputs: list[Output] = []
    page = None
    for out in outs:
        if out == "page":
            page = PageOutput()
            outputs.append(page)
        elif out == "window":
            outputs.append(Window())
        elif out == "speakers":
            outputs.append(Speakers())
        elif out.endswith(".fw"):
            continue
        elif not out.endswith(".mp4"):
            raise OutputError(f"output {out!r} is not page, window, speakers, a .mp4 or a .fw file")
        else:
            outputs.append(FileOutput(Path(out)))
    return outputs, page


class Session:
    """One call from set-up to figures. Everything slow is loaded before the room is joined."""

    def __init__(self, config: SessionConfig) -> None:
        self.config = config
        self.call: Call | None = None
        self._runtime = ""
        self.on_page: Callable[[str], None] = lambda _url: None

    def _networks(self, frames_at_once: int) -> tuple[list[Upsampler], Interpolator]:
        config = self.config
        upsamplers = [Upsampler(config.weights, config.device, threads=1)]
        self._runtime = upsamplers[0].runtime
        if "CUDA" not in self._runtime:
            upsamplers += [Upsampler(config.weights, config.device, threads=1) for _ in range(frames_at_once - 1)]
        for upsampler in upsamplers:
            upsampler.warmup()
        return upsamplers, Interpolator(config.weights)

    def _refresh(self) -> Refresh:
        (looking, *_), interpolator = self._networks(1)
        return Refresh(looking, interpolator, self.config.stream.quality)

    async def run(self) -> dict[str, Any]:
        """Join, talk until the end, and give the figures. Raises the rooms' errors, each one line for the user."""
        config = self.config
        networks = await asyncio.to_thread(self._networks, config.threads) if config.outs else None
        preview = None
        async with contextlib.AsyncExitStack() as stack:
            stats = stack.enter_context(config.stats.open("w")) if config.stats else None
            source = open_source(config)
            if source:
                stack.callback(source.close)
            stream = await asyncio.to_thread(SenderStream, config.stream) if source else None
            outputs, page = open_outputs(config.outs)
            recorder = next((Recorder(Path(out)) for out in config.outs if out.endswith(".fw")), None)
            player = Player(*networks, outputs, recorder) if networks else None
            if player:
                stack.push_async_callback(player.close)
            if page:
                own = FaceTrack(idle=1.0)
                if stream:
                    (upsampler, *_), interpolator = await asyncio.to_thread(self._networks, 1)
                    preview = Preview(upsampler, interpolator, own.show)
                    stack.callback(preview.close)
                engine = CallEngine(page, own)
                await self._serve_page(stack, engine)
            mirror = None
            if stream and config.refresh and config.video:
                mirror = Mirror(self._refresh)
                stack.callback(mirror.close)
            async with SignalingClient(config.server, config.room, access=config.access) as client:
                ladder = Ladder(config.limit_kbps)
                climbing = ladder if len(ladder.steps) > 1 else None
                self.call = call = Call(config.ice, source, stream, player, preview, climbing, mirror, config.limit_kbps)
                if page:
                    engine.call = call
                trace = Trace(config.trace, stream, player) if config.trace else None
                if trace:
                    call.on_bundle = trace.sent
                    stack.callback(trace.close)
                self._hang_up_on_signals(call)
                writing = asyncio.create_task(log_stats(call, stats)) if stats else None
                try:
                    await call.run(client)
                finally:
                    if writing:
                        writing.cancel()
                        await asyncio.gather(writing, return_exceptions=True)
            return self._figures(call)

    def _hang_up_on_signals(self, call: Call) -> None:
        """The first Ctrl-C or SIGTERM hangs up, so that files are finished and figures printed; a second one ends at once."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            call.hang_up()

        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not on Windows, nor outside the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop)

    async def _serve_page(self, stack: contextlib.AsyncExitStack, engine: CallEngine) -> None:
        runner = web.AppRunner(page_app(engine), shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", self.config.page_port)
        try:
            await site.start()
        except OSError as error:
            raise OutputError(f"the page cannot be served at port {self.config.page_port}: {error.strerror}") from error
        port = runner.addresses[0][1]
        self.on_page(f"http://localhost:{port}/")

    def _figures(self, call: Call) -> dict[str, Any]:
        out, into, seconds = call.link.wire_total()
        figures: dict[str, Any] = {
            "seconds": round(seconds, 2),
            "wire_kbps_out": round(out * 8e-3 / seconds, 3) if seconds else 0.0,
            "wire_kbps_in": round(into * 8e-3 / seconds, 3) if seconds else 0.0,
        }
        if call.stream:
            count = call.stream.count
            figures |= {
                "bpp_video": round(count.bpp_video, 7),
                "bpp_with_keyframe": round(count.bpp_with_keyframe, 7),
                "pictures": count.pictures,
                "tick_ms": call.stream.tick_ms,
                "bits_per_picture": round(count.bits_per_picture, 1),
                "lowres_psnr_db": round(call.stream.lowres_psnr_db, 2),
                "keyframe_bytes": count.keyframe_bytes,
                "keyframes": len(call.stream.gallery.keyframes),
                "keyframe_switches": call.mirror.switched if call.mirror else 0,
                "speech_kbps": round(count.sound_bytes * 8e-3 / max(count.seconds, 1e-3), 3),
            }
        if call.player:
            player = call.player
            figures |= {
                "frames": player.render.count.rendered,
                "frames_dropped": player.render.count.dropped,
                "runtime": self._runtime,
                "render_ms": round(player.render.count.seconds * 1000, 2),
                "ticks": player.count.ticks,
                "keyframes": len(player.decoder.pictures.references.keyframes),
                "ticks_concealed": player.count.concealed,
                "bundles_received": player.count.bundles,
                "bundles_late": player.count.late,
                "bundles_broken": player.count.broken,
                "consistency_db": player.trust.mean_db,
                "consistency_lowest_db": player.trust.lowest_db,
            }
        return figures


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write ``figures`` as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(figures, indent=1) + "\n")
    part.replace(path)
