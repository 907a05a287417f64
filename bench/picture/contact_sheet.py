"""A sheet of people: original, 8×8 picture as sent, our frame. ``python -m
bench.picture.contact_sheet CLIPS LOSSES OUT.png``.

CLIPS is a folder of face clips (or one file), named PERSON_NUMBER.mp4. People are ordered by the mean
LPIPS of all their judged frames; the sheet shows the best, the worst, and people evenly spaced between
them. For each person it shows the frame of median LPIPS and the worst one. Nothing is chosen by hand.
Needs the ``train`` extra.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.metrics.perceptual import lpips
from bench.metrics.pixel import to_tensor
from bench.picture.judged_frames import sampled
from bench.picture.variants import Renderer, transmit
from bench.report_file import report_file
from codec.errors import reason
from codec.media.files import SourceError
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator, WeightsMissingError

SIDE = 192
"""Side of a picture, in pixels."""
LINE = 22
"""Height of a line of text, in pixels."""


@dataclass
class Judged:
    """One frame: LPIPS, and original, 8×8 enlarged and ours side by side as RGB (192, 576, 3)."""

    lpips: float
    strip: UInt8


def strip(truth: UInt8, picture: np.ndarray, ours: UInt8) -> UInt8:
    """Original and ours (256, 256, 3) and the 8×8 picture (3, 8, 8) in [0, 1] side by side: (192, 576, 3)."""
    small = np.rint(picture.transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8)
    large = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return np.concatenate([cv2.resize(truth, (SIDE, SIDE), interpolation=cv2.INTER_AREA), large,
                           cv2.resize(ours, (SIDE, SIDE), interpolation=cv2.INTER_AREA)], 1)  # fmt: skip


def choose(order: Sequence[str], count: int) -> list[str]:
    """``count`` items of ``order``: both ends, and items evenly spaced between."""
    count = min(count, len(order))
    return [order[i] for i in np.linspace(0, len(order) - 1, count).round().astype(int)]


def sheet(people: dict[str, list[Judged]], count: int) -> UInt8:
    """The sheet, one row for each person, the best first: median frame on the left, worst on the right,
    LPIPS above each."""
    means = {name: float(np.mean([j.lpips for j in frames])) for name, frames in people.items()}
    rows = []
    for place, name in enumerate(choose(sorted(means, key=means.__getitem__), count)):
        frames = sorted(people[name], key=lambda j: j.lpips)
        cells = []
        for kind, frame in (("median", frames[len(frames) // 2]), ("worst", frames[-1])):
            head = np.full((LINE, 3 * SIDE, 3), 255, np.uint8)
            text = f"{place + 1}: {kind} frame, LPIPS {frame.lpips:.3f} (person {means[name]:.3f})"
            cv2.putText(head, text, (4, LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
            cells.append(np.concatenate([head, frame.strip]))
        rows.append(np.concatenate([cells[0], np.full((LINE + SIDE, 12, 3), 255, np.uint8), cells[1]], 1))
    return np.concatenate(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.contact_sheet", description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("losses", type=Path, help="folder with lpips_alexnet.pth")
    parser.add_argument("out", type=report_file, help="PNG")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--every", type=int, default=25, help="judge every N-th frame")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args(arguments)
    try:
        clips = sorted(options.clips.glob("*.mp4")) if options.clips.is_dir() else [options.clips]
        if not clips or options.people < 1 or options.every < 1:
            raise ValueError(f"no *.mp4 in {options.clips}" if not clips else "--people and --every are 1 or more")
        judge, renderer, interpolator = lpips(options.losses), Renderer(options.weights), Interpolator(options.weights)
        people: dict[str, list[Judged]] = defaultdict(list)
        for number, clip in enumerate(clips):
            print(f"{number + 1} of {len(clips)}: {clip.name}", file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                sent = transmit(clip, Path(folder), interpolator)
            picked = sampled(min(len(sent.truth), len(sent.frames)), options.every)
            for n, ours in zip(picked, renderer.render("ours", sent, picked), strict=True):
                score = float(judge(to_tensor([ours]), to_tensor([sent.truth[n]])))
                people[clip.stem.rsplit("_", 1)[0]].append(Judged(score, strip(sent.truth[n], sent.frames[n].pictures[2], ours)))
        image = sheet(people, options.people)
        if not cv2.imwrite(str(options.out), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise OSError(f"cannot write {options.out}")
    except (OSError, ValueError, SourceError, WeightsMissingError, cv2.error) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
