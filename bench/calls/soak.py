"""A long call, and whether anything grows: ``python -m bench.calls.soak OUT.json [--minutes 30]
[--plot OUT.png]``.

Two processes, real WebRTC on loopback, a face that brightens with a beep, over and over. Each side
writes its figures every second (``--stats``), and how bright frames and how loud sound are, from
which delay and lip sync are found as in :mod:`bench.calls.delay`. Reported are memory, frame rate,
delay, sync and concealed sound of the call's parts, and the memory's growth after the first minute.
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

from bench.calls.delay import EVERY, Judged, flashes, judge_folder
from bench.demo import DemoError, two_peers
from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason

PARTS = 6
CLIP = 50 * EVERY
"""Seconds of the clip: whole flashes and whole ticks, so that it can be repeated."""
LOOK = 20.0
"""Seconds over which delay and sync are found."""
WARM = 60.0
"""Seconds until everything is loaded and every buffer has its size."""

Line = dict[str, Any]


def slope(lines: Sequence[Line]) -> float:
    """Growth of the memory in MB an hour, by least squares after :data:`WARM` seconds; nan if the call
    was too short."""
    late = [(x["t"], x["rss_mb"]) for x in lines if x["t"] > WARM and x["rss_mb"] is not None]
    if len(late) < 10:
        return float("nan")
    times, memory = np.array(late).T
    return float(np.polyfit(times / 3600, memory, 1)[0])


def parts(sent: Sequence[Line], received: Sequence[Line], judged: Judged) -> list[dict[str, float]]:
    """The call in :data:`PARTS` parts. Of each: ``from_s``, mean ``fps``, ``sound_ms`` (mouth to ear), the
    ``sync_ms`` farthest from 0, the share ``concealed``, and the memory at its end."""
    if not received or not judged["sound_ms"] or not judged["sync_ms"]:
        raise DemoError("too little was seen and heard to be judged")
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
            "sound_ms": float(np.mean(_part(judged["sound_ms"], a / edges[-1], b / edges[-1]))),
            "sync_ms": max(_part(judged["sync_ms"], a / edges[-1], b / edges[-1]), key=abs),
            "concealed": (mine[-1]["concealed"] - mine[0]["concealed"]) / max(1, ticks),
            "receiver_mb": mine[-1]["rss_mb"], "sender_mb": its[-1]["rss_mb"],
        })  # fmt: skip
    return out


def _part(values: Sequence[float], begin: float, end: float) -> Sequence[float]:
    """The values between two positions (shares of the whole); the nearest one if there is none."""
    first = min(int(begin * len(values)), len(values) - 1)
    return values[first : max(first + 1, int(end * len(values)))]


def table(found: Sequence[dict[str, float]]) -> str:
    """Markdown."""
    lines = [
        "| from minute | FPS | mouth to ear, ms | picture after sound, ms | concealed | receiver, MB | sender, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for p in found:
        lines.append(
            f"| {p['from_s'] / 60:.1f} | {p['fps']:.1f} | {p['sound_ms']:.0f} | {p['sync_ms']:.0f} | {p['concealed']:.1%} | "
            f"{p['receiver_mb']:.0f} | {p['sender_mb']:.0f} |"
        )
    return "\n".join(lines)


def plot(sent: Sequence[Line], received: Sequence[Line], judged: Judged, out: Path) -> None:
    """Memory, frame rate, delay and sync against time. Needs matplotlib (the ``bench`` extra)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), layout="constrained")
    memory, rate, delay, sync = figure.subplots(4, 1, sharex=True)
    for lines, name in ((received, "receiver"), (sent, "sender")):
        memory.plot([x["t"] / 60 for x in lines], [x["rss_mb"] for x in lines], label=name)
    rate.plot([x["t"] / 60 for x in received], [x["fps"] for x in received])
    minutes = (np.arange(len(judged["sound_ms"])) + 0.5) * LOOK / 60
    delay.plot(minutes, judged["sound_ms"])
    sync.plot(minutes, judged["sync_ms"])
    sync.axhspan(-40, 40, alpha=0.15)
    memory.set(ylabel="memory, MB", ylim=(0, None))
    memory.legend()
    rate.set(ylabel="frames a second", ylim=(0, 27))
    delay.set(ylabel="mouth to ear, ms", ylim=(0, None))
    sync.set(ylabel="picture after sound, ms", xlabel="minutes", ylim=(-100, 100))
    figure.savefig(out, dpi=110)


def read(path: Path) -> list[Line]:
    """The lines of a ``--stats`` file."""
    return [json.loads(text) for text in path.read_text().splitlines()]


async def call(minutes: float) -> tuple[list[Line], list[Line], Judged]:
    """Make the call → (the sender's lines, the receiver's, delay and sync). Raises
    :class:`bench.demo.DemoError`."""
    with tempfile.TemporaryDirectory() as folder:
        mine, its, clip = (Path(folder) / name for name in ("sent.jsonl", "received.jsonl", "flashes.mkv"))
        flashes(CLIP, clip)
        light = ["--light", folder]
        await two_peers(
            ["--stats", str(its), *light], ["--video", str(clip), "--loop", "--stats", str(mine), *light], minutes * 60
        )  # fmt: skip
        return read(mine), read(its), judge_folder(folder, min(LOOK, minutes * 20))


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.soak", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--plot", type=Path, help="plot the curves to this PNG file")
    options = parser.parse_args(arguments)
    try:
        with clock("calling", options.minutes * 60):
            sent, received, judged = asyncio.run(call(options.minutes))
        found = parts(sent, received, judged)
        growth = {"receiver": slope(received), "sender": slope(sent)}
        options.out.write_text(json.dumps({"parts": found, "mb_an_hour": growth, **judged}, indent=1) + "\n")
        if options.plot:
            plot(sent, received, judged, options.plot)
    except (OSError, DemoError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    write(table(found) + "\n")
    write(f"memory grows by {growth['receiver']:.0f} MB an hour (receiver), {growth['sender']:.0f} (sender)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
