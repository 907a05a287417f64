"""What another keyframe gains: clips and reels with ``encode --refresh``, compared with other ways to spend the bits.

``python -m bench.picture.refresh_gain DATA LOSSES OUT.json``: DATA holds dev/*.mp4, LOSSES
lpips_alexnet.pth. A reel joins up to four clips of one person and repeats the first: it imitates a
long call in which light, place and pose change and then return. Results are given for all clips, and
for the third whose light, lips or head change most from their first frame. Needs the ``bench`` extra.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.metrics.panel import Panel, Row
from bench.picture.crops import write_lossless
from bench.picture.judged_frames import sampled
from bench.picture.quality import mean
from bench.picture.variants import Renderer, stored_frames
from bench.report_file import report_file
from codec.errors import CodecError, reason
from codec.media.files import SourceError, file_frames, file_sound
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import UInt8
from codec.pictures.sampling import sample
from models.runtime.upsampler import Interpolator, Upsampler, WeightsMissingError
from sender.encode_file import encode_file
from sender.file_refresh import FileRefresh
from sender.stream import StreamConfig

REEL = 4
OFF = "one keyframe"
RATES = (2.0, 4.0, 16.0)
SIZES = (16,)
MOVED = {"light": "light", "lips": "lips", "turn": "head"}
"""What a clip is sorted by: mean change of the 8×8 picture's mean; of the lips' landmarks; of the head's pose.
"""


@dataclass(frozen=True)
class Way:
    """One way to spend bits: ``kbps`` for keyframes, pictures of ``size``."""

    name: str
    kbps: float = 0.0
    size: int = 8


WAYS = (Way(OFF), *(Way(f"refresh {r:g} kbit/s", r) for r in RATES), *(Way(f"{s}x{s}", size=s) for s in SIZES))


def reels(clips: Sequence[Path], folder: Path) -> Iterator[Path]:
    """A reel for each person with two clips or more, written to ``folder``."""
    people = defaultdict(list)
    for clip in clips:
        people[clip.stem.rsplit("_", 1)[0]].append(clip)
    for name, theirs in people.items():
        if len(theirs) < 2:
            continue
        chosen = [theirs[i] for i in np.linspace(0, len(theirs) - 1, min(REEL, len(theirs))).round().astype(int)]
        frames, sound = list[UInt8](), []
        for clip in (*chosen, chosen[0]):
            own = list(file_frames(clip))
            heard = np.concatenate([*file_sound(clip), np.zeros(len(own) * RATE // FRAME_RATE, np.float32)])
            frames += own
            sound.append(heard[: len(own) * RATE // FRAME_RATE])
        out = folder / f"{name}_reel.mkv"
        write_lossless(out, frames, np.concatenate(sound))
        yield out


def judge(clip: Path, way: Way, tools: tuple[Upsampler, Renderer, Interpolator, Panel], every: int) -> dict[str, float]:
    """The figures of one clip and one way: ``kbps`` (what pictures and all keyframes but the first cost),
    ``keyframes``, ``switches``, LPIPS and others."""
    upsampler, renderer, interpolator, panel = tools
    refresh = FileRefresh(way.kbps, upsampler=upsampler) if way.kbps else None
    truth = list(file_frames(clip))
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "clip.fw"
        count = encode_file(clip, stored, StreamConfig(crop="none", keyframe="first", size=way.size), refresh=refresh).count
        frames, _ = stored_frames(stored, interpolator)
    rows = []
    for n in sampled(min(len(frames), len(truth)), every):
        frame, keyframe = frames[n]
        drawn = renderer.draw(keyframe.rgb, [frame])[0]
        row = panel.frame(truth[n], {"ours": drawn}, identity=False)["ours"]
        rows.append({k: v for k, v in row.items() if k in ("lpips", "dists", "psnr", "lmd_lips", "pose_mae")})
    sent = refresh.refresh.count if refresh else None
    later = count.keyframe_bytes - len(frames[0][1].data)
    return {
        **mean(rows), "kbps": (count.video_bytes + later) * 8e-3 / count.seconds, "keyframes": 1.0 + (sent.sent if sent else 0),
        "switches": float(sent.switched if sent else 0),
    }  # fmt: skip


def moved(clip: Path, panel: Panel, every: int) -> Row:
    """How much the clip's light, lips and head differ from its first frame, on average."""
    frames = list(file_frames(clip))
    rows = []
    for n in sampled(len(frames), every):
        row = panel.frame(frames[n], {"held": frames[0]}, identity=False)["held"]
        light = float(np.abs(sample(frames[n]).mean((0, 1)) - sample(frames[0]).mean((0, 1))).max())
        rows.append({"light": light, "lips": row.get("lmd_lips", float("nan")), "turn": row.get("pose_mae", float("nan"))})
    return mean(rows)


def groups(found: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Names of the clips in each row of the table: all, those that moved most, reels."""
    single = [n for n in found if not n.endswith("_reel.mkv")]
    out = {"all clips": single}
    for key, word in MOVED.items():
        order = sorted(single, key=lambda n: -found[n]["moved"].get(key, 0.0))
        out[f"{word} moves most"] = order[: max(1, len(order) // 3)]
    if reel := [n for n in found if n not in single]:
        out["reels"] = reel
    return out


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: group by group, the cost and the figures of each way."""
    lines = ["| | | kbit/s | keyframes | switches | LPIPS | ΔLPIPS per kbit/s | PSNR |", "|---|---|---|---|---|---|---|---|"]
    for group, names in groups(found).items():
        rows = {way.name: mean([found[n][way.name] for n in names]) for way in WAYS}
        base = rows[OFF]
        for name, row in rows.items():
            more = row["kbps"] - base["kbps"]
            gain = f"{(row['lpips'] - base['lpips']) / more:+.4f}" if more > 1e-3 else "–"
            counts = f"{row['kbps']:.2f} | {row['keyframes']:.1f} | {row['switches']:.1f}"
            lines.append(f"| {group} ({len(names)}) | {name} | {counts} | {row['lpips']:.4f} | {gain} | {row['psnr']:.2f} |")
    return "\n".join(lines)


def run(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Judge the clips and write the report. Raises ``OSError``, ``ValueError``, ``SourceError``, ``WeightsMissingError``."""
    clips = sorted((options.data / "dev").glob("*.mp4"))
    if not clips:
        raise FileNotFoundError(f"{options.data} holds no dev/*.mp4")
    torch.set_num_threads(options.threads)
    picked = [clips[i] for i in np.linspace(0, len(clips) - 1, min(options.clips or len(clips), len(clips))).round().astype(int)]
    panel = Panel(options.losses, True)
    tools = (Upsampler(threads=options.threads), Renderer(threads=options.threads), Interpolator(), panel)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for clip in (*picked, *reels(clips if options.reels else [], Path(folder))):
            rows: dict[str, Any] = {way.name: judge(clip, way, tools, options.every) for way in WAYS}
            found[clip.name] = rows | {"moved": moved(clip, panel, options.every)}
            write(f"{clip.name}: " + ", ".join(f"{w.name} {rows[w.name]['lpips']:.4f}" for w in WAYS) + "\n")
            options.out.write_text(json.dumps(found, indent=1).replace("NaN", "null") + "\n")
    write(table(found) + "\n")


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture.refresh_gain", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--clips", type=int, help="only K clips, evenly from the list")
    parser.add_argument("--reels", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--every", type=int, default=10, help="judge every N-th frame")
    parser.add_argument("--threads", type=int, default=2)
    try:
        run(parser.parse_args(arguments), write)
    except (OSError, ValueError, CodecError, SourceError, WeightsMissingError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
