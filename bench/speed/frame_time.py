"""How long rendering a frame takes on this machine, by runtime and threads: ``python -m
bench.speed.frame_time [--rounds N] [--weights DIR]``.

The rows take turns, a frame each, so that other load on the machine affects all alike. Between machines,
compare only the ratio to the first row.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.progress import clock
from models.runtime.backends import DEVICES, choose
from models.runtime.upsampler import FRAMES, Upsampler, WeightsMissingError


def runtimes() -> list[str]:
    """The devices that can render on this machine."""
    found = []
    for device in DEVICES[1:]:
        try:
            found.append(choose(device))
        except ValueError:
            continue
    return found


def measure(weights: Path | None, rounds: int, threads: tuple[int, ...] = (1, 2)) -> list[tuple[str, int, float]]:
    """(runtime, threads, median milliseconds of a frame) of each. Raises what
    :class:`models.runtime.upsampler.Upsampler` raises."""
    rng = np.random.default_rng(0)
    keyframe = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    drawers: list[tuple[str, int, Upsampler]] = []
    for device in runtimes():
        for count in threads:
            try:
                drawer = Upsampler(weights, device, count)
            except ValueError:  # a GPU build of ONNX Runtime on a machine without a GPU, or int8 on a slow processor for it
                continue
            if (drawer.runtime, count) in [row[:2] for row in drawers]:  # two names for the same, where a precision is missing
                continue
            drawer.warmup()
            drawer.set_identity(keyframe)
            drawers.append((drawer.runtime, count, drawer))
    spent: list[list[float]] = [[] for _ in drawers]
    for _ in range(rounds):
        pictures = rng.random((FRAMES, 3, 8, 8), np.float32)
        speech = rng.random((20, 80), np.float32)
        for times, (_, _, drawer) in zip(spent, drawers, strict=True):
            began = time.perf_counter()
            drawer.step(pictures, speech)
            times.append(time.perf_counter() - began)
    return [(d, n, float(np.median(times)) * 1e3) for (d, n, _), times in zip(drawers, spent, strict=True)]


def main(arguments: list[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.speed.frame_time", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="frames of each row")
    parser.add_argument("--weights", type=Path, help="folder of the ONNX files; the installed one by default")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"{options.rounds} rounds: at least 1")
    try:
        with clock("rendering"):
            rows = measure(options.weights, options.rounds)
    except (WeightsMissingError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    first = rows[0][2]
    write("| runtime | threads | ms a frame | ratio |\n|---|---|---|---|\n")
    for device, count, milliseconds in rows:
        write(f"| {device} | {count} | {milliseconds:.1f} | {milliseconds / first:.2f} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
