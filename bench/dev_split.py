"""Encode and decode every clip of a split as a user would, and judge the result beside the baselines.

``python -m bench.dev_split DATA LOSSES OUT.json [--every N]``: DATA holds clips.tsv and dev/, LOSSES lpips_alexnet.pth. For each
clip: ``--crop none --keyframe first``, through a ``.fw`` file; every N-th frame is judged. Needs the ``train`` extra.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec.colour import ycbcr_to_rgb
from codec.sampling import sample
from models.evaluate import baselines, psnr
from models.losses import PerceptualDistance
from receiver.files import decode_file, encode_file
from sender.inputs import file_frames
from sender.stream import StreamConfig


def _tensor(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255.0


@torch.no_grad()
def judge_clip(clip: Path, folder: Path, judge: PerceptualDistance, every: int) -> dict[str, Any]:
    """Figures of one clip: bits, frame counts, and PSNR and LPIPS of ours, keyframe held, keyframe + difference, bicubic."""
    stored, out = folder / "clip.fw", folder / "clip.mp4"
    count, lowres = encode_file(clip, stored, StreamConfig(crop="none", keyframe="first"))
    decode_file(stored, out)
    truth, ours = list(file_frames(clip)), list(file_frames(out))
    picked = range(every // 2, min(len(truth), len(ours)), every)
    wanted, shown = _tensor([truth[i] for i in picked]), _tensor([ours[i] for i in picked])
    held = _tensor([truth[0]] * len(wanted))
    small = _tensor([ycbcr_to_rgb(sample(truth[i])) for i in picked])
    rivals = {"ours": shown, **baselines(held, small)}
    row: dict[str, Any] = {
        "clip": clip.name, "frames_in": len(truth), "frames_out": len(ours), "bpp_video": count.bpp_video,
        "bpp_with_keyframe": count.bpp_with_keyframe, "lowres_psnr_db": lowres, "wire_kbps": count.wire_kbps,
    }  # fmt: skip
    for name, images in rivals.items():
        row[f"{name}_psnr"] = float(psnr(images, wanted).mean())
        row[f"{name}_lpips"] = float(
            torch.cat([judge(images[i : i + 4], wanted[i : i + 4]) for i in range(0, len(images), 4)]).mean()
        )
    return row


def main(data: Path, losses: Path, out: Path, every: int = 25) -> None:
    """All clips of ``data``'s dev split; prints a line a clip and the means, writes all to ``out``."""
    judge = PerceptualDistance(losses / "lpips_alexnet.pth", "alexnet")
    rows = []
    for clip in sorted((data / "dev").glob("*.mp4")):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(judge_clip(clip, Path(folder), judge, every))
        row = rows[-1]
        print(f"{clip.name:32s} {row['bpp_video']:.6f} BPP  {row['ours_psnr']:.2f} dB  {row['ours_lpips']:.3f}", flush=True)
    keys = [k for k, v in rows[0].items() if isinstance(v, float)]
    mean = {k: float(np.mean([r[k] for r in rows])) for k in keys}
    mean["bpp_video_max"] = max(r["bpp_video"] for r in rows)
    mean["same_frame_count"] = all(r["frames_in"] == r["frames_out"] for r in rows)
    out.write_text(json.dumps({"mean": mean, "clips": rows}, indent=1) + "\n")
    print(json.dumps(mean, indent=1))


if __name__ == "__main__":
    options = sys.argv[1:]
    step = int(options[options.index("--every") + 1]) if "--every" in options else 25
    main(Path(options[0]), Path(options[1]), Path(options[2]), step)
