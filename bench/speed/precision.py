"""What int8 and bf16 do to the picture: ``python -m bench.speed.precision DATA LOSSES OUT.json
[--clips 12] [--every 50]``.

Dev clips go through the real codec, and are rendered by every runtime and precision that works on this
machine. The frames are judged as in :mod:`bench.picture.quality`, and compared with what fp32 renders.
``bench.speed.frame_time`` measures the time that each saves. Needs the ``bench`` extra.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.metrics.panel import Panel
from bench.picture.quality import Judge, json_value, pick_clips, report, tables
from bench.picture.variants import Sent
from bench.report_file import report_file
from bench.speed.frame_time import runtimes
from codec.errors import reason
from codec.media.files import SourceError
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator, Upsampler, WeightsMissingError

EXACT = "cpu-fp32"
"""What the others are compared with."""


class Drawers:
    """Renders the same frames on each device; a ``Drawer`` for :class:`bench.picture.quality.Judge`, with
    devices in place of variants."""

    def __init__(self, weights: Path | None, threads: int) -> None:
        """Raises ``WeightsMissingError``, ``ValueError``."""
        self._drawers: dict[str, Upsampler] = {}
        for device in sorted(runtimes(), key=lambda d: d != EXACT):
            try:
                drawer = Upsampler(weights, device, threads)
            except ValueError:  # int8 on a processor that is slow at it, a GPU that isn't there
                if device == EXACT:
                    raise
                continue
            if all(drawer.runtime != other.runtime for other in self._drawers.values()):
                self._drawers[device] = drawer
        self.variants = tuple(self._drawers)
        self.names = {device: drawer.runtime for device, drawer in self._drawers.items()}
        self.apart: dict[str, list[float]] = {device: [] for device in self.variants if device != EXACT}
        """Squared error of each frame from fp32's, in levels²."""
        self._exact: list[UInt8] = []

    def render(self, variant: str, sent: Sent, numbers: Sequence[int]) -> list[UInt8]:
        """Frames (256, 256, 3) at these places of the clip; request those of :data:`EXACT` first."""
        drawer = self._drawers[variant]
        drawer.set_identity(sent.keyframe.rgb)
        frames = [drawer.step(*i.inputs) for i in (sent.frames[n] for n in numbers)]
        if variant == EXACT:
            self._exact = frames
        else:
            self.apart[variant] += [
                float(np.mean((a.astype(np.float32) - b) ** 2)) for a, b in zip(frames, self._exact, strict=True)
            ]  # fmt: skip
        return frames


def decibels(error: float) -> float:
    """Squared error in levels² → dB; the least error is that of rounding to levels."""
    return float(10 * np.log10(255**2 / max(error, 1 / 12)))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed.precision", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with dev/*.mp4")
    parser.add_argument("losses", type=Path, help="folder with the measuring networks")
    parser.add_argument("out", type=report_file, help="JSON report")
    parser.add_argument("--weights", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--clips", type=int, default=12, help="dev clips, taken evenly")
    parser.add_argument("--every", type=int, default=50, help="judge every N-th frame")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    try:
        clips, drawers = pick_clips(options.data, options.clips), Drawers(options.weights, options.threads)
        judge = Judge(Panel(options.losses, bf16=True), drawers, drawers.variants, options.every)
        found = report(clips, judge, Interpolator(options.weights))
        apart = {
            device: {"mean_db": decibels(float(np.mean(errors))), "worst_db": decibels(max(errors))}
            for device, errors in drawers.apart.items()
        }  # fmt: skip
        options.out.write_text(json.dumps(json_value({"runtimes": drawers.names, "from_fp32": apart, **found}), indent=1) + "\n")
    except (OSError, ValueError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    print(tables(found["mean"])[1])
    for name, part in (("dB from fp32", "mean_db"), ("dB from fp32, worst frame", "worst_db")):
        print(f"| {name} ↑ | " + " | ".join(f"{apart[d][part]:.1f}" if d in apart else "" for d in drawers.variants) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
