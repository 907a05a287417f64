"""How good a frame is that the network didn't render, but that was warped from one that it rendered some frames before.

``python -m bench.picture.warped_frames DATA LOSSES OUT.json``: DATA holds dev/*.mp4, LOSSES lpips_alexnet.pth. Two seconds from
each clip's middle go through the real codec. ``drawn`` is the frame as the network renders it, ``held`` the one from so many
frames before, unchanged, ``warped`` that one warped (:mod:`receiver.motion_compensation`). Needs the ``bench`` extra.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench.metrics.panel import Row
from bench.metrics.perceptual import lpips
from bench.metrics.pixel import psnr, to_tensor
from bench.picture.quality import mean, middle_run, pick_clips
from bench.picture.variants import Renderer, Sent, transmit
from bench.report_file import report_file
from codec.errors import reason
from codec.media.files import SourceError
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator, WeightsMissingError
from models.training.losses import PerceptualDistance
from receiver.motion_compensation import can_warp, warped_frame

APART = (1, 2, 3, 4, 5, 8, 12, 25)
"""Distances, in frames, between the rendered frame and the one warped from it."""
SECONDS = 2.0


def judge(sent: Sent, drawn: dict[int, UInt8], apart: int, perceptual: PerceptualDistance) -> list[dict[str, Row]]:
    """Every third frame's figures, by the way it was made."""
    rows = []
    for n in list(drawn)[apart::3]:
        before, now = sent.frames[n - apart], sent.frames[n]
        if not can_warp(before, now):
            continue
        base = drawn[n - apart]
        ways = {"drawn": drawn[n], "held": base, "warped": warped_frame(base, before, now)}
        truth = to_tensor([sent.truth[n]])
        with torch.no_grad():
            rows.append(
                {k: {"psnr": float(psnr(x, truth)), "lpips": float(perceptual(x, truth))}
                 for k, x in ((k, to_tensor([v])) for k, v in ways.items())}
            )  # fmt: skip
    return rows


def table(found: dict[int, dict[str, Row]]) -> str:
    """Markdown, one row for each distance."""
    lines = ["| frames apart | rendered | warped | held |", "|---:|---|---|---|"]
    for apart, ways in found.items():
        cells = [f"{ways[k]['psnr']:.2f} dB, {ways[k]['lpips']:.3f}" for k in ("drawn", "warped", "held")]
        lines.append(f"| {apart} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Judge the clips and write the report. Raises ``OSError``, ``ValueError``, ``SourceError``, ``WeightsMissingError``."""
    clips = pick_clips(options.data, options.clips)
    torch.set_num_threads(options.threads)
    perceptual, renderer, interpolator = lpips(options.losses), Renderer(threads=options.threads), Interpolator()
    rows: dict[int, list[dict[str, Row]]] = {apart: [] for apart in APART}
    for clip in clips:
        with tempfile.TemporaryDirectory() as folder:
            sent = transmit(clip, Path(folder), interpolator)
        numbers = middle_run(min(len(sent.truth), len(sent.frames)), SECONDS)
        drawn = dict(zip(numbers, renderer.render("ours", sent, numbers), strict=True))
        for apart, seen in rows.items():
            seen += judge(sent, drawn, apart, perceptual)
        write(f"{clip.name}\n")
    found = {apart: {way: mean([row[way] for row in seen]) for way in seen[0]} for apart, seen in rows.items() if seen}
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    write(table(found) + "\n")


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.warped_frames", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list")
    parser.add_argument("--threads", type=int, default=2)
    try:
        run(parser.parse_args(arguments), write)
    except (OSError, ValueError, KeyError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
