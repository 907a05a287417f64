"""A long call, and whether anything grows: ``python -m bench.soak OUT.json [--minutes 30] [--plot OUT.png]``.

Two processes, real WebRTC on loopback, the shipped clip over and over. Each side writes its numbers every second (``--stats``);
told are memory, frame rate, delay and concealed sound of the call's parts, and the memory's slope after the first minute.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.demo import DemoError, shipped_clip, two_peers

PARTS = 6
WARM = 60.0
"""Seconds until everything is loaded and every buffer has its size."""

Line = dict[str, Any]


def slope(lines: Sequence[Line]) -> float:
    """Growth of the memory in MB an hour, by least squares after :data:`WARM` seconds; nan for too short a call."""
    late = [(x["t"], x["rss_mb"]) for x in lines if x["t"] > WARM and x["rss_mb"] is not None]
    if len(late) < 10:
        return float("nan")
    times, memory = np.array(late).T
    return float(np.polyfit(times / 3600, memory, 1)[0])


def parts(sent: Sequence[Line], received: Sequence[Line]) -> list[dict[str, float]]:
    """The call in :data:`PARTS` parts: ``from_s``, mean ``fps`` and ``delay_ms``, share ``concealed``, memory at its end."""
    edges = np.linspace(0, max(x["t"] for x in received), PARTS + 1)
    out = []
    for a, b in pairwise(edges):
        mine = [x for x in received if a <= x["t"] < b and x["connected"]]
        its = [x for x in sent if a <= x["t"] < b]
        if len(mine) < 2 or not its:
            continue
        ticks = mine[-1]["ticks"] - mine[0]["ticks"]
        out.append({
            "from_s": float(a), "fps": float(np.mean([x["fps"] for x in mine])),
            "delay_ms": float(np.mean([x["delay_ms"] for x in mine if x["delay_ms"] is not None])),
            "concealed": (mine[-1]["concealed"] - mine[0]["concealed"]) / max(1, ticks),
            "receiver_mb": mine[-1]["rss_mb"], "sender_mb": its[-1]["rss_mb"],
        })  # fmt: skip
    return out


def table(found: Sequence[dict[str, float]]) -> str:
    """Markdown."""
    lines = ["| minute | FPS | delay, ms | made up | receiver, MB | sender, MB |", "|---:|---:|---:|---:|---:|---:|"]
    for p in found:
        lines.append(
            f"| {p['from_s'] / 60:.1f} | {p['fps']:.1f} | {p['delay_ms']:.0f} | {p['concealed']:.1%} | {p['receiver_mb']:.0f} | "
            f"{p['sender_mb']:.0f} |"
        )
    return "\n".join(lines)


def plot(sent: Sequence[Line], received: Sequence[Line], out: Path) -> None:
    """Memory, frame rate and delay against time. Needs matplotlib (the ``bench`` extra)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    memory, rate, delay = figure.subplots(3, 1, sharex=True)
    for lines, name in ((received, "receiver"), (sent, "sender")):
        memory.plot([x["t"] / 60 for x in lines], [x["rss_mb"] for x in lines], label=name)
    rate.plot([x["t"] / 60 for x in received], [x["fps"] for x in received])
    delay.plot([x["t"] / 60 for x in received], [x["delay_ms"] for x in received])
    memory.set(ylabel="memory, MB", ylim=(0, None))
    memory.legend()
    rate.set(ylabel="frames a second", ylim=(0, 27))
    delay.set(ylabel="delay, ms", xlabel="minutes", ylim=(0, None))
    figure.savefig(out, dpi=110)


def read(path: Path) -> list[Line]:
    """A file of ``--stats``."""
    return [json.loads(text) for text in path.read_text().splitlines()]


async def call(minutes: float) -> tuple[list[Line], list[Line]]:
    """Make the call → (the sender's lines, the receiver's). Raises :class:`bench.demo.DemoError`."""
    with tempfile.TemporaryDirectory() as folder:
        mine, its = Path(folder) / "sent.jsonl", Path(folder) / "received.jsonl"
        sending = ["--video", str(shipped_clip()), "--loop", "--stats", str(mine)]
        await two_peers(["--stats", str(its)], sending, minutes * 60)
        return read(mine), read(its)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--plot", type=Path, help="draw the curves, a PNG")
    options = parser.parse_args(arguments)
    try:
        sent, received = asyncio.run(call(options.minutes))
        found = parts(sent, received)
        growth = {"receiver": slope(received), "sender": slope(sent)}
        options.out.write_text(json.dumps({"parts": found, "mb_an_hour": growth}, indent=1) + "\n")
        if options.plot:
            plot(sent, received, options.plot)
    except (OSError, DemoError) as error:
        print(str(error).strip().splitlines()[0], file=sys.stderr)
        return 1
    write(table(found) + "\n")
    write(f"memory grows by {growth['receiver']:.0f} MB an hour (receiver), {growth['sender']:.0f} (sender)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
