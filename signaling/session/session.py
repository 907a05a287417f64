"""One call, from the user's options to the measured figures."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from models.runtime.backends import choose
from models.runtime.batch import many_upsampler
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.outputs.page_tracks import FaceTrack
from receiver.outputs.recorder import Recorder
from receiver.outputs.video_file import OutputError
from receiver.player import Player
from receiver.render import MakeRenderer, RenderThreads
from receiver.render_many import RenderMany
from sender.adaptation.ladder import Ladder
from sender.keyframes.mirror import Mirror
from sender.keyframes.refresh import Refresh
from sender.self_view import Preview
from sender.stream import SenderStream, StreamConfig
from signaling.call.call import Call
from signaling.call.light_trace import LightTrace
from signaling.call.stats import log_stats
from signaling.call.trace import Trace
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.session.endpoints import open_outputs, open_source
from signaling.web.capture import Capture
from signaling.web.engine import CallEngine
from signaling.web.local import serve_local
from signaling.web.local_page import page_app


@dataclass
class SessionConfig:
    """The user's options. ``video``, ``audio``: see
    :func:`signaling.session.endpoints.open_source`. ``outs``: see
    :func:`signaling.session.endpoints.open_outputs`; empty when nothing is received.
    ``limit_kbps``: see :class:`sender.adaptation.ladder.Ladder`. ``refresh``: render what the peer
    sees, and send another keyframe if that would look better. ``access``: a token for the room.
    ``stats``, ``trace``, ``light``: what to record, see ``stats.py``, ``trace.py`` and
    ``light_trace.py`` in ``signaling/call``. ``fps``: 25, 50, or None to suit the machine."""

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
    light: Path | None = None
    limit_kbps: float = 12.0
    refresh: bool = True
    access: str | None = None
    stats: Path | None = None
    fps: int | None = None

    def numbered(self, number: int) -> "SessionConfig":
        """The same options for one of several calls: the name of every file written gets the number."""

        def own(path: Path | None) -> Path | None:
            return path and path.with_name(f"{path.stem}-{number}{path.suffix}")

        outs = [str(own(Path(out))) if out.endswith((".mp4", ".fw")) else out for out in self.outs]
        return replace(self, outs=outs, stats=own(self.stats), trace=own(self.trace), light=own(self.light))


class Session:
    """One call from set-up to figures. Everything slow is loaded before the room is joined."""

    def __init__(self, config: SessionConfig, renderer: RenderMany | None = None) -> None:
        """``renderer``: renders for several sessions; this one then has none of its own, and leaves
        signals to the caller."""
        self.config = config
        self.call: Call | None = None
        self._runtime = ""
        self._renderer = renderer
        self._own: RenderMany | None = None
        self._loaded: tuple[MakeRenderer, Interpolator] | None = None
        self.terminated = False  # by SIGTERM
        self.on_page: Callable[[str], None] = lambda _url: None
        self._over = False
        self.on_safety: Callable[[str], None] = lambda _code: None
        self.on_joined: Callable[[], None] = lambda: None

    def _networks(self, frames_at_once: int) -> tuple[list[Upsampler], Interpolator]:
        def load(_: int = 0) -> Upsampler:
            upsampler = Upsampler(self.config.weights, self.config.device, threads=1)
            upsampler.warmup()
            return upsampler

        if choose(self.config.device) == "cuda":
            frames_at_once = 1
        with ThreadPoolExecutor(frames_at_once) as pool:  # each is compiled on one core
            upsamplers = list(pool.map(load, range(frames_at_once)))
        self._runtime = upsamplers[0].runtime
        return upsamplers, Interpolator(self.config.weights)

    def _refresh(self) -> Refresh:
        (looking, *_), interpolator = self._networks(1)
        return Refresh(looking, interpolator, self.config.stream.quality, shape=self.config.stream.shape)

    def _load(self) -> tuple[MakeRenderer, Interpolator]:
        config = self.config
        if not self._renderer and choose(config.device) == "cuda":  # keeps features on the GPU, also for one call
            self._own = RenderMany(many_upsampler(config.weights, config.device, 1, config.threads), 1)
        if renderer := self._renderer or self._own:
            self._runtime = renderer.runtime
            return partial(renderer.seat, self.fps), Interpolator(config.weights)
        upsamplers, interpolator = self._networks(self.config.threads)
        return partial(RenderThreads, upsamplers, self.fps), interpolator

    @property
    def fps(self) -> int:
        """Target frames a second, known once the networks are loaded: by default 50 if a GPU renders
        them, else 25."""
        return self.config.fps or (50 if "CUDA" in self._runtime else 25)

    async def prepare(self) -> None:
        """Load the networks; :meth:`run` does it if this wasn't called. Raises
        ``WeightsMissingError``, ``ValueError``."""
        if self._loaded is None and self.config.outs:
            self._loaded = await asyncio.to_thread(self._load)

    async def run(self) -> dict[str, Any]:
        """Join, run the call until it ends, and return the figures. Raises signaling's errors, each one line for the user."""
        config = self.config
        sends, shown = config.video or config.audio, "page" in config.outs
        _, stream, own_networks = await asyncio.gather(
            self.prepare(), asyncio.to_thread(SenderStream, config.stream) if sends else _nothing(),
            asyncio.to_thread(self._networks, 1) if sends and shown else _nothing(),
        )  # fmt: skip
        networks = self._loaded
        preview = None
        async with contextlib.AsyncExitStack() as stack:
            if self._own:
                stack.callback(self._own.close)
            stats = stack.enter_context(config.stats.open("w")) if config.stats else None
            source, capture = open_source(config.video, config.audio, config.loop, config.seconds)
            if source:
                stack.callback(source.close)
            outputs, page = open_outputs(config.outs)
            recordings = [out for out in config.outs if out.endswith(".fw")]
            if len(recordings) > 1:
                raise OutputError(f"only one .fw file can be written, not {' and '.join(recordings)}")
            recorder = Recorder(Path(recordings[0])) if recordings else None
            player = Player(*networks, outputs, recorder, self.fps) if networks else None
            if player:
                stack.push_async_callback(player.close)
            if page:
                own = FaceTrack(idle=1.0)
                if own_networks:
                    (upsampler, *_), interpolator = own_networks
                    preview = Preview(upsampler, interpolator, own.show)
                    stack.callback(preview.close)
                engine = CallEngine(page, own)
                await self._serve_page(stack, engine, capture)
            mirror = None
            if stream and config.refresh and config.video:
                mirror = Mirror(self._refresh)
                stack.callback(mirror.close)
            async with SignalingClient(config.server, config.room, access=config.access) as client:
                self.on_joined()
                ladder = Ladder(config.limit_kbps)
                self.call = call = Call(config.ice, source, stream, player, preview, ladder, mirror, config.limit_kbps)
                if self._over:
                    call.hang_up()
                if page:
                    engine.call = call
                call.safety.on_code = lambda words: self.on_safety(" ".join(words))
                self._record(stack, call)
                if not self._renderer:
                    self._hang_up_on_signals(call, stack)
                writing = asyncio.create_task(log_stats(call, stats)) if stats else None
                try:
                    await call.run(client)
                finally:
                    if writing:
                        writing.cancel()
                        await asyncio.gather(writing, return_exceptions=True)
            return self._figures(call)

    def _record(self, stack: contextlib.AsyncExitStack, call: Call) -> None:
        """Start the recording for measurements, if one is requested."""
        config = self.config
        trace: Trace | LightTrace | None = None
        if config.trace:
            trace = Trace(config.trace, call.stream, call.player)
        elif config.light:
            trace = LightTrace(config.light, call.stream, call.player)
        if trace:
            call.on_bundle = trace.sent
            stack.callback(trace.close)

    def hang_up(self) -> None:
        """End the call. A call that has not begun yet ends as soon as it begins."""
        self._over = True
        if self.call:
            self.call.hang_up()

    def _hang_up_on_signals(self, call: Call, stack: contextlib.AsyncExitStack) -> None:
        """The first Ctrl-C or SIGTERM hangs up, so that files are finished and figures printed; a
        second Ctrl-C ends at once."""
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            self.terminated |= number == signal.SIGTERM
            loop.remove_signal_handler(signal.SIGINT)
            call.hang_up()

        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not on Windows, nor outside the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop, number)
                stack.callback(loop.remove_signal_handler, number)

    async def _serve_page(self, stack: contextlib.AsyncExitStack, engine: CallEngine, capture: Capture | None) -> None:
        runner, url = await serve_local(page_app(engine, capture), self.config.page_port)
        stack.push_async_callback(runner.cleanup)
        self.on_page(url)

    def _figures(self, call: Call) -> dict[str, Any]:
        out, into, seconds = call.link.wire_total()
        figures: dict[str, Any] = {
            "seconds": round(seconds, 2),
            "wire_kbps_out": round(out * 8e-3 / seconds, 3) if seconds else 0.0,
            "wire_kbps_in": round(into * 8e-3 / seconds, 3) if seconds else 0.0,
            "safety_code": " ".join(call.safety.words),
        }
        if call.stream:
            count = call.stream.count
            figures |= {
                "bpp_video": round(count.bpp_video, 7),
                "bpp_with_keyframe": round(count.bpp_with_keyframe, 7),
                "pictures": count.pictures,
                "tick_ms": call.stream.tick_ms,
                "bits_per_picture": round(count.bits_per_picture, 1),
                "lowres_psnr_db": None if (psnr := call.stream.lowres_psnr_db) is None else round(psnr, 2),
                "keyframe_bytes": count.keyframe_bytes,
                "keyframes": len(call.stream.keyframes.gallery.keyframes),
                "keyframe_switches": call.mirror.switched if call.mirror else 0,
                "speech_kbps": round(count.sound_bytes * 8e-3 / max(count.seconds, 1e-3), 3),
            }
        if call.player:
            player = call.player
            figures |= {
                "frames": player.presenter.render.count.rendered,
                "frames_dropped": player.presenter.render.count.dropped,
                "frames_failed": player.presenter.render.count.failed,
                "runtime": self._runtime,
                "render_ms": round(player.presenter.render.count.seconds * 1000, 2),
                "ticks": player.count.ticks,
                "keyframes": len(player.decoder.pictures.references.keyframes),
                "ticks_concealed": player.count.concealed,
                "bundles_received": player.count.bundles,
                "bundles_late": player.count.late,
                "bundles_broken": player.count.broken,
                "consistency_db": player.presenter.consistency.mean_db,
                "consistency_lowest_db": player.presenter.consistency.lowest_db,
            }
        return figures


async def _nothing() -> None:
    """Takes the place of a step that isn't needed."""


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write ``figures`` as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(figures, indent=1) + "\n")
    part.replace(path)
