"""Small videos of every clip of a split, at 8×8 to 64×64, rendered at 256×256 by ``facewire upsample``
and compared with bicubic enlargement.

``python -m bench.picture.upsample_split DATA LOSSES OUT.json [--clips K] [--every N] [--weights
FOLDER]``: DATA holds dev/*.mp4, 256×256, LOSSES ``lpips_alexnet.pth``. The clip's first frame is
the identity; its small frames are area averages at 25 FPS, 8 bits deep, not compressed; every N-th
output frame is judged, before MP4 coding. K clips are taken evenly. Needs the ``bench`` extra.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.report_file import report_file
from codec.media.files import SourceError, file_frames, file_sound
from codec.media.types import UInt8
from models.face.tracker import SIDE
from models.runtime.detail import shrink
from models.runtime.upsampler import FRAMES, Upsampler, WeightsMissingError
from models.training.evaluate import psnr
from models.training.losses import PerceptualDistance
from receiver.upsample import SIZES, Restorer, speech_mel

METHODS = ("speech", "no_speech", "not_projected", "bicubic")
"""The command as it is, with ``--no-speech``, without back-projection, and only bicubic enlargement."""


def _tensor(images: Sequence[UInt8]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255.0


@torch.no_grad()
def judge_clip(clip: Path, upsampler: Upsampler, judge: PerceptualDistance, every: int = 25) -> dict[str, dict[str, float]]:
    """``{side}_{method}`` → ``psnr`` in dB and ``lpips``, means over the clip's judged frames; without
    sound there is no ``speech``.

    Raises ``SourceError`` for a clip that cannot be read or isn't 256×256.
    """
    truth, mel = list(file_frames(clip)), speech_mel(file_sound(clip))
    if truth[0].shape != (SIDE, SIDE, 3):
        raise SourceError(f"{clip} is not {SIDE}x{SIDE}")
    picked = list(range(every // 2, len(truth), every)) or [len(truth) - 1]
    wanted, out = _tensor([truth[i] for i in picked]), {}
    heard = {"speech": mel} if mel is not None else {}
    for side in sorted(SIZES):
        small = [np.rint(shrink(f, side) * 255.0).astype(np.float32) / 255.0 for f in truth]
        around = {i: [small[min(max(i + j, 0), len(small) - 1)] for j in range(-(FRAMES // 2), FRAMES // 2 + 1)] for i in picked}
        shown: dict[str, list[UInt8]] = {}
        for method, sound in {**heard, "no_speech": None}.items():
            restorer = Restorer(upsampler, truth[0], sound)
            shown[method] = [restorer.frame(i, around[i]) for i in picked]
        restorer = Restorer(upsampler, truth[0], mel, steps=0)
        shown["not_projected"] = [restorer.frame(i, around[i]) for i in picked]
        enlarged = [cv2.resize(small[i], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for i in picked]
        shown["bicubic"] = [np.rint(np.clip(f, 0, 1) * 255).astype(np.uint8) for f in enlarged]
        for method, frames in shown.items():
            images = _tensor(frames)
            apart = [judge(images[i : i + 4], wanted[i : i + 4]).flatten() for i in range(0, len(images), 4)]
            out[f"{side}_{method}"] = {"psnr": float(psnr(images, wanted).mean()), "lpips": float(torch.cat(apart).mean())}
    return out


def averages(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Means of each figure over the clips that have it.

    ``{side}_speech_gain`` is the gain of ``speech`` over ``no_speech``, over only the clips with sound;
    ``{side}_best`` is the command as it would be run: with sound where there is some.
    """
    rows = [dict(row) for row in rows]
    for row in rows:
        for side in SIZES:
            deaf, heard = row[f"{side}_no_speech"], row.get(f"{side}_speech")
            row[f"{side}_best"] = heard or deaf
            if heard:
                row[f"{side}_speech_gain"] = {k: heard[k] - deaf[k] for k in heard}
    keys = sorted({k for row in rows for k in row})
    return {k: {n: float(np.mean([r[k][n] for r in rows if k in r])) for n in ("psnr", "lpips")} for k in keys}


def table(mean: dict[str, dict[str, float]]) -> Table:
    """PSNR and LPIPS of each size and method."""
    shown = Table("small video", *METHODS)
    for side in sorted(SIZES):
        cells = [mean.get(f"{side}_{'best' if m == 'speech' else m}") for m in METHODS]
        shown.add_row(f"{side}x{side}", *[f"{c['psnr']:.2f} dB  {c['lpips']:.3f}" if c else "" for c in cells])
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.upsample_split", description=__doc__)
    for name in ("data", "losses"):
        parser.add_argument(name, type=Path)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list; all by default")
    parser.add_argument("--every", type=int, default=25, help="judge every N-th frame")
    parser.add_argument("--weights", type=Path, help="folder with other networks than the shipped ones")
    given = parser.parse_args(arguments)
    if given.every < 1 or (given.clips is not None and given.clips < 1):
        parser.error("--clips and --every are at least 1")
    clips = sorted((given.data / "dev").glob("*.mp4"))
    try:
        if not clips:
            raise SourceError(f"no clips in {given.data / 'dev'}")
        count = min(given.clips or len(clips), len(clips))
        clips = [clips[i * len(clips) // count] for i in range(count)]
        judge, upsampler = PerceptualDistance(given.losses / "lpips_alexnet.pth", "alexnet"), Upsampler(given.weights)
        rows = {}
        for clip in clips:
            rows[clip.name] = row = judge_clip(clip, upsampler, judge, given.every)
            psnrs = "  ".join(f"{s}: {row.get(f'{s}_speech', row[f'{s}_no_speech'])['psnr']:.2f} dB" for s in sorted(SIZES))
            print(f"{clip.name:32s} {psnrs}", flush=True)
        mean = averages(list(rows.values()))
        given.out.write_text(json.dumps({"mean": mean, "clips": rows}, indent=1) + "\n")
    except (SourceError, WeightsMissingError, OSError, ValueError, KeyError) as error:
        print(f"upsample_split: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    Console(width=None if sys.stdout.isatty() else 120).print(table(mean))
    return 0


if __name__ == "__main__":
    sys.exit(main())
