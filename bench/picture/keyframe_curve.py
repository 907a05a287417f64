"""How small the keyframe may be: the video rendered from keyframes of falling quality, compared with
that from a lossless one.

``python -m bench.picture.keyframe_curve DATA LOSSES OUT.json``: DATA holds dev/*.mp4, LOSSES
lpips_alexnet.pth. Every N-th frame is rendered from the same 8×8 pictures and sound and judged against
the original; the keyframe's own loss is reported, too. Needs the ``bench`` extra.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.metrics.panel import Panel
from bench.metrics.pixel import psnr, to_tensor
from bench.picture.judged_frames import sampled
from bench.picture.quality import mean
from bench.picture.variants import Renderer, Sent, transmit
from bench.report_file import report_file
from codec.errors import KeyframeError, reason
from codec.keyframe import encode_keyframe
from codec.media.files import SourceError
from codec.media.types import UInt8
from models.face.tracker import SIDE
from models.runtime.upsampler import Interpolator, WeightsMissingError

LOSSLESS = "lossless"
QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
SETTINGS = tuple((form, q) for form in ("av1", "webp") for q in QUALITIES)
FIGURES = ("psnr", "lpips", "dists")


Settings = Sequence[tuple[str, int]]


def judge_clip(sent: Sent, renderer: Renderer, panel: Panel, every: int, settings: Settings) -> dict[str, Any]:
    """One clip's figures by setting: ``bytes`` of the keyframe, its own PSNR, and PSNR, LPIPS and DISTS
    of the rendered frames."""
    first = sent.truth[0]
    keyframes: dict[str, tuple[int, UInt8]] = {LOSSLESS: (SIDE * SIDE * 3, first)}
    for form, quality in settings:
        coded = encode_keyframe(first, quality, form)
        keyframes[f"{form} {quality}"] = (len(coded.data), coded.rgb)
    numbers = sampled(len(sent.truth), every)
    drawn = {name: renderer.draw(rgb, [sent.frames[n] for n in numbers]) for name, (_, rgb) in keyframes.items()}
    rows = [
        panel.frame(sent.truth[n], {name: frames[i] for name, frames in drawn.items()}, identity=False)
        for i, n in enumerate(numbers)
    ]
    out = {}
    for name, (size, rgb) in keyframes.items():
        figures = mean([{k: row[name][k] for k in FIGURES if k in row[name]} for row in rows])
        own = float(psnr(to_tensor([rgb]), to_tensor([first]))[0]) if name != LOSSLESS else float("inf")
        out[name] = {"bytes": float(size), "keyframe_psnr": own, **figures}
    return out


def table(means: dict[str, dict[str, float]]) -> str:
    """Markdown: each setting, and how far its video falls behind that of the lossless keyframe."""
    shown = [k for k in FIGURES if k in means[LOSSLESS]]
    lines = ["| keyframe | bytes | its own PSNR | " + " | ".join(shown) + " |", "|---|" + "---:|" * (2 + len(shown))]
    for name, row in means.items():
        best = means[LOSSLESS]
        cells = [f"{row[k]:.3f}" + (f" ({row[k] - best[k]:+.3f})" if name != LOSSLESS else "") for k in shown]
        own = "–" if name == LOSSLESS else f"{row['keyframe_psnr']:.1f} dB"
        lines.append(f"| {name} | {row['bytes']:.0f} | {own} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(means: dict[str, dict[str, float]], out: Path) -> None:
    """LPIPS of the rendered video against the keyframe's bytes, a line for each form; that of the
    lossless keyframe as a dashed line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for form in dict.fromkeys(name.split()[0] for name in means if name != LOSSLESS):
        rows = [(row["bytes"], row["lpips"], name.split()[1]) for name, row in means.items() if name.split()[0] == form]
        axes.plot([r[0] for r in rows], [r[1] for r in rows], "o-", label=form)
        for size, value, quality in rows:
            axes.annotate(quality, (size, value), textcoords="offset points", xytext=(3, 4), fontsize=7)
    axes.axhline(means[LOSSLESS]["lpips"], linestyle="--", color="grey", label=LOSSLESS)
    axes.set(xlabel="bytes of the keyframe", ylabel="LPIPS of the video rendered from it", xlim=(0, None))
    axes.legend()
    figure.savefig(out, dpi=110)


def run(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Judge the clips and write the report. Raises ``OSError``, ``ValueError``, ``SourceError``, ``WeightsMissingError``."""
    clips = sorted((options.data / "dev").glob("*.mp4"))
    if not clips:
        raise FileNotFoundError(f"{options.data} holds no dev/*.mp4")
    torch.set_num_threads(options.threads)
    picked = [clips[i] for i in np.linspace(0, len(clips) - 1, min(options.clips or len(clips), len(clips))).round().astype(int)]
    panel, renderer, interpolator = Panel(options.losses, True), Renderer(threads=options.threads), Interpolator()
    found = {}
    for clip in picked:
        with tempfile.TemporaryDirectory() as folder:
            found[clip.name] = judge_clip(transmit(clip, Path(folder), interpolator), renderer, panel, options.every, SETTINGS)
        write(f"{clip.name}\n")
    means = {name: mean([rows[name] for rows in found.values()]) for name in next(iter(found.values()))}
    options.out.write_text(json.dumps({"mean": means, "clips": found}, indent=1).replace("Infinity", "null") + "\n")
    if options.plot:
        plot(means, options.plot)
    write(table(means) + "\n")


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.keyframe_curve", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list")
    parser.add_argument("--every", type=int, default=50, help="judge every N-th frame")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="plot the curve to this PNG file")
    try:
        run(parser.parse_args(arguments), write)
    except (OSError, ValueError, KeyframeError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
