"""How good the picture is: every dev clip through the real codec, compared with baselines and ablations
by many measures.

``python -m bench.picture.quality DATA LOSSES OUT.json``: DATA holds dev/*.mp4, LOSSES the weights
of the measuring networks (what is missing is left out and named). Every N-th frame is judged.
Motion also uses the frame before it, the opening of lips and lids every second frame
(``--opening``), and lip sync one run of frames from the clip's middle. With the ``sync.json`` of the
prepared dev split (``--offsets``) each clip's sound is first aligned with its lips, and the gain from
speech is reported for the clips in which the visible person speaks. Needs the ``bench`` extra.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table

from bench.metrics.landmarks import Landmarks
from bench.metrics.motion import motion_figures
from bench.metrics.opening import Openings
from bench.metrics.panel import TRUTH, Panel, Row
from bench.metrics.pixel import to_tensor
from bench.metrics.sync import Expert, face_embeddings, load_expert, region_boxes, scores, sound_embeddings
from bench.picture.judged_frames import sampled
from bench.picture.variants import VARIANTS, Renderer, Sent, transmit
from bench.report_file import report_file
from bench.shift_sound import shift_sound
from codec.errors import reason
from codec.media.files import SourceError, file_sound
from codec.media.timing import FRAME_RATE
from codec.media.types import Float32, UInt8
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.lipsync.offset import REACH
from models.lipsync.sync_file import in_sync
from models.runtime.backends import DEVICES
from models.runtime.mel import log_mel
from models.runtime.upsampler import Interpolator, WeightsMissingError
from sender.keyframes.outgoing import KeyframeMode

IDENTITY_FRAMES = 2
"""Judged frames of a clip for which the slow identity descriptors are computed."""
AUDIBLE = -0.5
"""A log-mel value that silence and hiss don't reach."""
WIDTH = 150
"""Columns of the table if the output isn't a terminal."""
FIGURES = {
    "psnr": ("PSNR, dB", "↑"), "ssim": ("SSIM (luma)", "↑"), "psnr_mouth": ("PSNR of the mouth, dB", "↑"),
    "lpips": ("LPIPS (AlexNet)", "↓"), "dists": ("DISTS", "↓"), "fd_vgg16": ("fd_vgg16", "↓"),
    "lmd": ("landmark distance", "↓"), "lmd_lips": ("landmark distance, lips", "↓"), "face_seen": ("face seen", "↑"),
    "broken": ("broken frames, share", "↓"), "worst": ("LPIPS, worst quarter of the clips", "↓"),
    "lips_follow": ("lips' opening, correlation", "↑"), "lids_follow": ("lids' opening, correlation", "↑"),
    "yaw": ("yaw error, °", "↓"), "pitch": ("pitch error, °", "↓"), "roll": ("roll error, °", "↓"),
    "pose_mae": ("pose error, °", "↓"), "identity_cos": ("identity, cosine", "↑"),
    "identity_distance": ("identity, distance", "↓"), "motion": ("motion error", "↓"),
    "flow": ("optical flow error, px", "↓"), "sync_d": ("sync_d", "↓"),
    "sync_c": ("sync_c", "↑"), "sync_hit": ("in sync within ±1 frame", "↑"),
}  # fmt: skip
"""What the tables show: name, and whether more is better."""
SPEECH_FIGURES = ("psnr_mouth", "lmd_lips", "sync_d", "sync_c", "sync_hit")
"""Figures that speech should improve; also reported for only the speaking clips."""


def middle_run(frames: int, seconds: float) -> list[int]:
    """``seconds`` of consecutive frames around the clip's middle, fewer if it is shorter."""
    length = min(frames, round(seconds * FRAME_RATE))
    first = (frames - length) // 2
    return list(range(first, first + length))


def mean(rows: Sequence[Row]) -> Row:
    """Mean of each figure over the rows that have it, without nan."""
    out = {}
    for key in dict.fromkeys(k for row in rows for k in row):
        values = [v for row in rows if not math.isnan(v := row.get(key, math.nan))]
        out[key] = float(np.mean(values)) if values else math.nan
    return out


def worst(values: Sequence[float]) -> float:
    """Mean of the largest quarter; nan if any value is nan."""
    return float(np.mean(sorted(values)[-max(1, len(values) // 4) :])) if values and not math.isnan(sum(values)) else math.nan


def clip_mel(clip: Path) -> Float32 | None:
    """The original sound's log-mel; None for a clip without sound or with only silence."""
    pieces = list(file_sound(clip))
    mel = log_mel(np.concatenate(pieces)) if pieces else None
    return mel if mel is not None and (mel > AUDIBLE).mean() > 0.01 else None


class Drawer(Protocol):
    """Renders for a :class:`Judge`."""

    def render(self, variant: str, sent: Sent, numbers: Sequence[int]) -> list[UInt8]:
        """Frames (256, 256, 3) at these places of the clip."""


class Judge:
    """Panel, lip-sync expert and renderer, used clip by clip."""

    def __init__(
        self, panel: Panel, renderer: Drawer, variants: Sequence[str], every: int = 25, expert: Expert | None = None,
        sync_seconds: float = 2.0, opening: int = 0,
    ) -> None:  # fmt: skip
        """``opening``: the opening of lips and lids is measured in every ``opening``-th frame; 0: not at all."""
        self.panel, self.renderer, self.variants = panel, renderer, tuple(variants)
        self.every, self.expert, self.sync_seconds = every, expert, sync_seconds
        self._detector, self._mesh = BlazeFace(), FaceMesh()
        self._opening, self._openings = opening, Openings(Landmarks())

    def clip(self, path: Path, sent: Sent) -> dict[str, Row]:
        """Each variant's figures of one clip, and the original's own lip sync."""
        total = min(len(sent.truth), len(sent.frames))
        picked = sampled(total, self.every)
        mel = clip_mel(path) if self.expert else None
        run = middle_run(total, self.sync_seconds) if mel is not None else []
        opening = list(range(0, total, self._opening)) if self._opening else []
        numbers = sorted({*picked, *(n - 1 for n in picked if n), *run, *opening})
        shown = {v: dict(zip(numbers, self.renderer.render(v, sent, numbers), strict=True)) for v in self.variants}
        rows: dict[str, list[Row]] = {v: [] for v in self.variants}
        looks = set(picked[:: -(-len(picked) // IDENTITY_FRAMES)])
        for n in picked:
            judged = self.panel.frame(sent.truth[n], {v: shown[v][n] for v in self.variants}, identity=n in looks)
            for v, row in judged.items():
                rows[v].append(row | self._motion(sent.truth, shown[v], n))
        out = {v: mean(r) for v, r in rows.items()}
        if opening:
            seen = {v: [shown[v][n] for n in opening] for v in self.variants}
            opened = self._openings.judge([sent.truth[n] for n in opening], seen)
            out = {v: row | opened[v] for v, row in out.items()}
        if mel is not None:
            for v, row in self._sync(mel, sent.truth[:total], shown, run).items():
                out[v] = out.get(v, {}) | row
        return out

    def _sync(self, mel: Float32, truth: list[UInt8], shown: dict[str, dict[int, UInt8]], run: list[int]) -> dict[str, Row]:
        assert self.expert is not None
        windows = len(run) - self.expert.times + 1
        if windows < 1:
            return {}
        boxes = region_boxes([truth[n] for n in run], self._detector, self._mesh)
        sounds = sound_embeddings(self.expert, mel, run[0] - REACH, windows + 2 * REACH, len(truth))
        seen = {**shown, TRUTH: dict(enumerate(truth))}
        return {v: scores(face_embeddings(self.expert, to_tensor([f[n] for n in run]), boxes), sounds) for v, f in seen.items()}

    @staticmethod
    def _motion(truth: Sequence[UInt8], shown: dict[int, UInt8], n: int) -> Row:
        if not n:
            return {}
        return motion_figures(shown[n - 1], shown[n], truth[n - 1], truth[n])


def tables(means: dict[str, Row], which: Sequence[str] = tuple(FIGURES)) -> tuple[Table, str]:
    """The means, a row for each of ``which`` figures and a column for each variant: for the terminal, and as Markdown."""
    figures = [k for k in which if any(not math.isnan(row.get(k, math.nan)) for row in means.values())]
    table = Table("", *(Column(name, no_wrap=True) for name in means))
    lines = ["| | " + " | ".join(means) + " |", "|---|" + "---|" * len(means)]
    for key in figures:
        name, way = FIGURES[key]
        values = [row.get(key, math.nan) for row in means.values()]
        digits = 1 if max((abs(v) for v in values if math.isfinite(v)), default=0) >= 100 else 2
        digits = digits if key.startswith("psnr") or key in ("yaw", "pitch", "roll", "pose_mae", "fd_vgg16", "motion") else 3
        cells = ["–" if math.isnan(v) else f"{v:.{digits}f}" for v in values]
        table.add_row(f"{name} {way}", *cells)
        lines.append(f"| {name} {way} | " + " | ".join(cells) + " |")
    return table, "\n".join(lines)


def json_value(value: Any) -> Any:
    """The value with None in place of nan and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {k: json_value(v) for k, v in value.items()}
    if isinstance(value, list):
        return [json_value(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def report(
    clips: Sequence[Path], judge: Judge, interpolator: Interpolator, fps: int = 5, offsets: dict[str, int] | None = None,
    keyframe: KeyframeMode = "first",
) -> dict[str, Any]:  # fmt: skip
    """Judge the clips, printing a line for each → ``mean`` of each variant over the clips' means,
    ``speaking``: the same over the clips named in ``offsets`` (frames that their sound is moved by),
    ``clips``, ``cost`` in bits, and how many frames were ``judged`` and of these ``faceless``.
    Raises ``SourceError``."""
    rows: list[dict[str, Any]] = []
    offsets = offsets or {}
    for clip in clips:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            heard = shift_sound(clip, offsets.get(clip.name, 0), Path(folder))
            sent = transmit(heard, Path(folder), interpolator, fps, keyframe)
            found = judge.clip(heard, sent)
        rows.append(
            {"clip": clip.name, "frames": len(sent.truth), "cost": sent.cost, "speaking": clip.name in offsets, "variants": found}
        )
        first = found[judge.variants[0]]
        text = " ".join(f"{k} {first[k]:.3f}" for k in ("psnr", "ssim", "lpips", "dists", "lmd") if k in first)
        print(f"{clip.name:32s} {text}  {time.monotonic() - began:.1f} s", flush=True)
    speaking = [r for r in rows if r["clip"] in offsets]
    means, spoken = (
        {v: mean([r["variants"].get(v, {}) for r in some]) for v in (*judge.variants, TRUTH)} for some in (rows, speaking)
    )
    for name in judge.variants:
        means[name]["worst"] = worst([r["variants"][name].get("lpips", math.nan) for r in rows])
    for name, value in judge.panel.frechet().items():
        means[name]["fd_vgg16"] = value
    return {
        "judged": judge.panel.judged, "faceless": judge.panel.faceless, "cost": mean([r["cost"] for r in rows]),
        "mean": {v: row for v, row in means.items() if row}, "speaking": {v: row for v, row in spoken.items() if row},
        "clips": rows,
    }  # fmt: skip


def pick_clips(data: Path, count: int | None, split: str = "dev") -> list[Path]:
    """``count`` of the split's clips, evenly spaced; None: all. Raises ``FileNotFoundError`` if there are none."""
    clips = sorted((data / split).glob("*.mp4"))
    if not clips:
        raise FileNotFoundError(f"{data} holds no {split}/*.mp4")
    count = min(count or len(clips), len(clips))
    return [clips[i] for i in np.linspace(0, len(clips) - 1, count).round().astype(int)]


def _read_offsets(offsets: Path | None) -> dict[str, int]:
    if offsets is None:
        return {}
    try:
        return in_sync(json.loads(offsets.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{offsets.name} is no sync.json of a prepared split") from error


def _show(table: Table, markdown: str, as_markdown: bool) -> None:
    print(markdown) if as_markdown else Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def run(options: argparse.Namespace) -> None:
    """Judge the clips and write the report. Raises ``OSError``, ``ValueError``, ``SourceError``, ``WeightsMissingError``."""
    if options.opening < 0 or min(options.every, options.threads, 1 if options.clips is None else options.clips) < 1:
        raise ValueError("--every, --threads and --clips are 1 or more, --opening is 0 or more")
    clips, offsets = pick_clips(options.data, options.clips), _read_offsets(options.offsets)
    torch.set_num_threads(options.threads)
    panel, expert = Panel(options.losses, options.bf16), load_expert(options.sync) if options.sync else None
    renderer = Renderer(options.weights, options.device, options.threads, options.checkpoint)
    variants = options.variants.split(",") if options.variants else list(renderer.variants)
    for name in variants:
        if name not in renderer.variants:
            why = "needs --checkpoint" if name in VARIANTS else f"is none of {', '.join(VARIANTS)}"
            raise ValueError(f"variant {name} {why}")
    notes = panel.notes + ([] if expert else ["sync left out: no --sync"])
    if not options.variants and "no_animation" not in variants:
        notes.append("no_animation left out: no --checkpoint")
    for note in notes:
        print(note, file=sys.stderr)
    judge = Judge(panel, renderer, variants, options.every, expert, options.sync_seconds, options.opening)
    found = report(clips, judge, Interpolator(options.weights), options.fps, offsets, options.keyframe)
    settings = {k: v.name if isinstance(v, Path) else v for k, v in vars(options).items() if k not in ("data", "losses", "out")}
    options.out.write_text(json.dumps(json_value({"settings": settings, "notes": notes, **found}), indent=1) + "\n")
    _show(*tables(found["mean"]), options.markdown)
    if found["speaking"]:
        print(f"\nThe {sum(1 for r in found['clips'] if r['speaking'])} clips in which the visible person speaks:")
        _show(*tables(found["speaking"], SPEECH_FIGURES), options.markdown)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.quality", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with dev/*.mp4")
    parser.add_argument("losses", type=Path, help="folder with the measuring networks")
    parser.add_argument("out", type=report_file, help="JSON report")
    parser.add_argument("--weights", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--checkpoint", type=Path, help="what they were exported from; for no_animation")
    parser.add_argument("--every", type=int, default=25, help="judge every N-th frame")
    parser.add_argument("--fps", type=int, default=5, choices=(5, 25), help="pictures sent a second")
    parser.add_argument(
        "--keyframe", default="auto", choices=("auto", "first"), help="as `encode` chooses it, or the clip's first picture"
    )
    parser.add_argument("--sync", type=Path, help="weights of the lip-sync expert")
    parser.add_argument("--offsets", type=Path, help="sync.json of the prepared dev split: how late each clip's sound comes")
    parser.add_argument("--sync-seconds", type=float, default=2.0, help="length of the run judged for lip sync in each clip")
    parser.add_argument("--opening", type=int, default=2, help="look at lips and lids in every N-th frame; 0: not at all")
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list")
    parser.add_argument("--variants", help=f"some of {','.join(VARIANTS)}")
    parser.add_argument("--device", default="auto", help=", ".join(DEVICES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="VGG-16 in bf16: half its time, DISTS off by 0.001 at most")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args(arguments)
    try:
        run(options)
    except (OSError, ValueError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
