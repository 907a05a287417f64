"""A call's figures over time, one JSON line a second (``--stats FILE``)."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any, TextIO

from signaling.call.call import Call

EVERY = 1.0
"""Seconds between two lines."""


def resident_mb() -> float | None:
    """Resident memory of this process in MB; None if the system doesn't report it as Linux does."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 2)


def line(call: Call, seconds: float) -> dict[str, Any]:
    """The figures of this moment: ``t`` (``seconds`` since the log began), ``connected``, ``rss_mb``,
    bytes ``out`` and ``in`` with all headers. Of the stream received: ``fps``, ``drawn_fps``
    (rendered by the network), ``delay_ms`` (from a tick's beginning to its presentation, without
    transit), ``loss`` 0..1, and counts so far: ``ticks``, ``concealed``, ``late``, ``broken``. Of the
    stream sent: ``tick_ms``, and counts of ``keyframes`` and ``keyframe_switches``."""
    out, into, _ = call.link.wire_total()
    figures: dict[str, Any] = {
        "t": round(seconds, 3), "connected": call.connected.is_set(), "rss_mb": resident_mb(), "out": out, "in": into,
    }  # fmt: skip
    if player := call.player:
        count = player.count
        figures |= {
            "fps": player.presenter.fps, "drawn_fps": player.presenter.drawn_fps,
            "delay_ms": round(player.local_delay * 1e3, 1) if player.clock.started else None,
            "loss": round(player.loss, 4), "ticks": count.ticks, "concealed": count.concealed, "late": count.late,
            "broken": count.broken,
        }  # fmt: skip
    if call.stream:
        figures |= {
            "tick_ms": call.stream.tick_ms, "keyframes": len(call.stream.keyframes.gallery.keyframes),
            "keyframe_switches": call.mirror.switched if call.mirror else 0,
        }  # fmt: skip
    return figures


async def log_stats(call: Call, file: TextIO, every: float = EVERY) -> None:
    """Write lines until cancelled. Raises ``OSError``, for example on a full disk."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(every)
        file.write(json.dumps(line(call, time.monotonic() - began)) + "\n")
        file.flush()
