"""How many calls one machine can render: ``python -m bench.calls.many OUT.json [--seats 1,2,4,8]
[--device cuda] [--plot OUT.png]``.

Each number of calls runs in a separate process. Every seat has its keyframe, and each step renders one
frame for every seat, as fast as possible. Reported are frames a second of all seats and of one, and the
memory of the process and of the GPU, if there is one.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.demo import shipped_clip
from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason
from codec.media.files import file_frames
from models.face.tracker import whole
from models.runtime.batch import FrameRequest, many_upsampler
from signaling.call.stats import resident_mb

WARM = 1.0
"""Seconds before measuring begins."""
MEASURED = 5.0
"""Seconds that are measured."""


def gpu_mb() -> float | None:
    """GPU memory of this process, in MB; None if nvidia-smi doesn't report it."""
    if not shutil.which("nvidia-smi"):
        return None
    asked = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    rows = [line.split(",") for line in subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()]
    return next((float(used) * 1.048576 for pid, used in rows if pid.strip() == str(os.getpid())), None)


def measure(seats: int, device: str, threads: int) -> dict[str, Any]:
    """Measure one number of seats, in this process. Raises ``ValueError``, ``WeightsMissingError``, ``ImportError``."""
    many = many_upsampler(None, device, seats, threads)
    faces = [whole(f).cut(f) for f in islice(file_frames(shipped_clip()), min(seats, 20))]
    for seat in range(seats):
        many.set_identity(seat, faces[seat % len(faces)])
    random = np.random.default_rng(0)
    wanted = [
        FrameRequest(seat, random.random((5, 3, 8, 8)).astype(np.float32), np.full((20, 80), -1.0, np.float32))
        for seat in range(seats)
    ]  # fmt: skip
    end = time.perf_counter() + WARM
    while time.perf_counter() < end:
        many.step(wanted)
    times, began = [], time.perf_counter()
    while (now := time.perf_counter()) - began < MEASURED:
        many.step(wanted)
        times.append(time.perf_counter() - now)
    fps = len(times) / (time.perf_counter() - began)
    return {
        "seats": seats, "runtime": many.runtime, "fps_all": round(fps * seats, 2), "fps_each": round(fps, 2),
        "step_ms_p50": round(float(np.median(times)) * 1e3, 2), "rss_mb": resident_mb(), "gpu_mb": gpu_mb(),
    }  # fmt: skip


def table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| calls | frames/s, all calls | each call | step, ms | memory, MB | GPU, MB |", "|---:|---:|---:|---:|---:|---:|"]
    for f in found:
        gpu = "–" if f["gpu_mb"] is None else f"{f['gpu_mb']:.0f}"
        lines.append(f"| {f['seats']} | {f['fps_all']} | {f['fps_each']} | {f['step_ms_p50']} | {f['rss_mb']:.0f} | {gpu} |")
    return "\n".join(lines)


def plot(found: Sequence[dict[str, Any]], out: Path) -> None:
    """Frames a second and memory against the number of calls. Needs matplotlib (the ``bench`` extra)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    rate, memory = figure.subplots(1, 2)
    seats = [f["seats"] for f in found]
    rate.plot(seats, [f["fps_all"] for f in found], "o-", label="all calls")
    rate.plot(seats, [f["fps_each"] for f in found], "o-", label="each call")
    rate.axhline(25, linewidth=1, linestyle=":", color="grey")
    rate.set(xlabel="calls", ylabel="frames a second", ylim=(0, None))
    rate.legend()
    memory.plot(seats, [f["rss_mb"] for f in found], "o-", label="process")
    if all(f["gpu_mb"] is not None for f in found):
        memory.plot(seats, [f["gpu_mb"] for f in found], "o-", label="GPU")
    memory.set(xlabel="calls", ylabel="MB", ylim=(0, None))
    memory.legend()
    figure.savefig(out, dpi=110)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.many", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--seats", default="1,2,4,8", help="numbers of calls")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="plot the curves to this PNG file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        numbers = [int(n) for n in options.seats.split(",")]
        if options.here:
            write(json.dumps(measure(numbers[0], options.device, options.threads)) + "\n")
            return 0
        found = []
        for number in numbers:
            command = [
                sys.executable,
                "-m",
                "bench.calls.many",
                "-",
                "--here",
                "--seats",
                str(number),
                "--device",
                options.device,
            ]
            with clock(f"{number} calls"):
                ran = subprocess.run([*command, "--threads", str(options.threads)], capture_output=True, text=True, check=False)
            if ran.returncode:
                raise ValueError((ran.stderr.strip().splitlines() or [f"exit status {ran.returncode} and no message"])[-1])
            found.append(json.loads(ran.stdout))
        options.out.write_text(json.dumps(found, indent=1) + "\n")
        if options.plot:
            plot(found, options.plot)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    write(table(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
