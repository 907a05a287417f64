"""Evaluation on people who were not trained on, and the three baselines: held, difference, bicubic."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.sampler import collate, example
from models.networks.face_upsampler import FaceUpsamplerNet, lit
from models.training.losses import EYES, LIPS, PerceptualDistance
from models.training.precision import autocast

STEP = 2
"""Quantiser step of the 8×8 pictures in evaluation: about 48 dB."""


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair of images in [0, 1], in dB."""
    return -10 * torch.log10(((a.clamp(0, 1) - b) ** 2).mean((1, 2, 3)).clamp_min(1e-7))


def batches(cache: Cache, side: int, every: int, size: int = 16, shape_phase: int | None = None) -> Iterator[Batch]:
    """Every ``every``-th frame of every clip, first frame as keyframe, pictures sent at 5 FPS, in batches."""
    pending = []
    for clip in cache.clips:
        for frame in range(every // 2, clip.frames, every):
            pending.append(example(cache, clip, 0, frame, side, 0, STEP, shape_phase=shape_phase))
            if len(pending) == size:
                yield collate(pending)
                pending = []
    if pending:
        yield collate(pending)


def baselines(keyframe: Tensor, now: Tensor) -> dict[str, Tensor]:
    """From keyframe (N, 3, S, S) and newest 8×8 (N, 3, 8, 8): keyframe held; keyframe + enlarged
    8×8 difference; bicubic."""
    bicubic = F.interpolate(now, size=keyframe.shape[2:], mode="bicubic", align_corners=False).clamp(0, 1)
    return {"held": keyframe, "difference": (keyframe + lit(keyframe, now)).clamp(0, 1), "bicubic": bicubic}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}


def _within(output: Tensor, truth: Tensor, box: Tensor) -> float:
    """PSNR within a box in 256ths of the side; nan for an empty box."""
    x0, y0, x1, y1 = (round(float(v) * output.shape[-1] / 256) for v in box)
    if x1 <= x0 or y1 <= y0:
        return float("nan")
    error = ((output.clamp(0, 1) - truth)[:, y0:y1, x0:x1] ** 2).mean()
    return float(-10 * torch.log10(error.clamp_min(1e-7)))


def _rows(picture: Tensor, warped: Tensor, truth: Tensor, boxes: Tensor) -> list[dict[str, float]]:
    """PSNR of picture, warp, mouth and eyes, for each sample."""
    rows = []
    for i, (a, b) in enumerate(zip(psnr(picture, truth), psnr(warped, truth), strict=True)):
        mouth, eyes = (_within(picture[i], truth[i], boxes[i, at]) for at in (LIPS, EYES))
        rows.append({"psnr": float(a), "psnr_warp": float(b), "mouth": mouth, "eyes": eyes})
    return rows


@torch.no_grad()
def evaluate_coarse(model: FaceUpsamplerNet, cache: Cache, every: int = 12, bf16: bool | None = None) -> dict[str, float]:
    """PSNR at 64×64 of the picture (``psnr``), of the warp (``psnr_warp``), and of the picture at ``mouth`` and ``eyes``.

    Without the face's points; where the cache has them, also with them at every frame
    (``shape_…``) and only at the ticks, interpolated between (``shape5_…``).
    """
    device, out = next(model.parameters()).device, dict[str, float]()
    # All variants have the same pictures: batches with the points of every frame also serve the one without points.
    ways: tuple[tuple[int | None, tuple[str, ...]], ...] = ((None, ("",)),)
    if cache.points is not None:
        ways = ((None, ("", "shape_")), (0, ("shape5_",)))
    for phase, names in ways:
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for batch in batches(cache, 64, every, 32, phase):
            keyframe, pictures, mel, truth = (x.to(device) for x in (batch.keyframe, batch.pictures, batch.mel, batch.truth))
            for name in names:
                with autocast(device.type, bf16):
                    shape = batch.shape.to(device) if name else None
                    picture, warped, _ = model.coarse(keyframe, pictures, mel, shape=shape)
                rows[name] += _rows(picture.float(), warped.float(), truth, batch.boxes)
        out |= {f"{name}{k}": float(np.nanmean([r[k] for r in rows[name]])) for name in names for k in rows[name][0]}
    return out


@torch.no_grad()
def evaluate_full(
    model: FaceUpsamplerNet, cache: Cache, judge: PerceptualDistance, every: int = 23, bf16: bool | None = None,
    points: bool = False,
) -> dict[str, float]:  # fmt: skip
    """PSNR and LPIPS (AlexNet) at 256×256 of the picture and of the warp (``warp_…``); ``points``: with those of every frame."""
    device, rows = next(model.parameters()).device, []
    for batch in batches(cache, 256, every, 8):
        truth = batch.truth.to(device)
        with autocast(device.type, bf16):
            given = (batch.keyframe, batch.pictures, batch.mel)
            shape = batch.shape.to(device) if points else None
            out, warped = model(*(x.to(device) for x in given), shape=shape)
        shown = {"": out.float().clamp(0, 1), "warp_": warped.float().clamp(0, 1)}
        scores = {k: (psnr(v, truth), judge(v, truth)) for k, v in shown.items()}
        for i in range(len(truth)):
            rows.append({f"{k}{n}": float(s[j][i]) for k, s in scores.items() for j, n in enumerate(("psnr", "lpips"))})
    return _mean(rows)
