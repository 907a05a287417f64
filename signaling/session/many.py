"""``facewire receive ROOM --many N``: N calls in one process, all rendered by one renderer."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from codec.errors import reason
from models.runtime.batch import many_upsampler
from receiver.outputs.video_file import OutputError
from receiver.render_many import RenderMany
from signaling.protocol import SignalingError
from signaling.session.session import Session, SessionConfig
from signaling.transport.channels import PeerError

log = logging.getLogger(__name__)


def configs(config: SessionConfig, count: int) -> list[SessionConfig]:
    """The configurations of ROOM-1 to ROOM-N; their pages have consecutive ports."""
    return [
        replace(
            config.numbered(n), room=f"{config.room}-{n}", page_port=config.page_port + n - 1 if config.page_port else 0
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


async def run_many(config: SessionConfig, count: int, on_page: Callable[[str], None]) -> dict[str, Any]:
    """Receive until all calls have ended → figures of all together, and of each under its room's name.

    A call that fails doesn't end the others. Raises ``WeightsMissingError``, ``ValueError``, ``ImportError``.
    """
    upsampler = await asyncio.to_thread(many_upsampler, config.weights, config.device, count, config.threads)
    renderer = RenderMany(upsampler, count)
    sessions = [Session(one, renderer) for one in configs(config, count)]
    for session in sessions:
        session.on_page = on_page
    _hang_up_on_signals(sessions)
    try:
        results = await asyncio.gather(*(session.run() for session in sessions), return_exceptions=True)
    finally:
        renderer.close()
    figures: dict[str, Any] = {"calls": count, "failed": 0, "runtime": renderer.runtime, "frames": 0, "wire_kbps_in": 0.0}
    for session, result in zip(sessions, results, strict=True):
        if isinstance(result, dict):
            figures["frames"] += result.get("frames", 0)
            figures["wire_kbps_in"] = round(figures["wire_kbps_in"] + result["wire_kbps_in"], 3)
            figures[session.config.room] = result
        elif isinstance(result, Exception):
            if not isinstance(result, SignalingError | PeerError | OutputError):
                log.error("a session ended with an error", exc_info=result)
            figures["failed"] += 1
            figures[session.config.room] = {"error": reason(result)}
        else:
            raise result
    return figures


def _hang_up_on_signals(sessions: list[Session]) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        for session in sessions:
            session.hang_up()

    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
