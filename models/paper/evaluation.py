"""Evaluates the paper's network as :func:`models.training.evaluate.evaluate_full` evaluates ``call``:
with the same frames, pictures and figures."""

import numpy as np
import torch
from torch import Tensor

from models.data.cache import Cache
from models.paper.network import PaperNetwork
from models.training.evaluate import batches, psnr
from models.training.losses import PerceptualDistance
from models.training.precision import autocast

MIDDLE = 2
"""The frame of a window that is evaluated."""


@torch.no_grad()
def evaluate_paper(
    model: PaperNetwork, cache: Cache, judge: PerceptualDistance, whole: bool = True, every: int = 25, bf16: bool | None = None
) -> dict[str, float]:
    """PSNR in dB and LPIPS (AlexNet) at 256×256, means over every ``every``-th frame of every clip
    of ``cache``.

    ``psnr`` and ``lpips`` are F_hr's, ``int_psnr`` and ``int_lpips`` F_int's, the only ones unless
    ``whole``. First frame as keyframe, pictures at 5 FPS, quantiser step 2. ``model`` is in eval
    mode.
    """
    device = next(model.parameters()).device
    scores: dict[str, list[Tensor]] = {}
    for batch in batches(cache, 256, every, 8):
        batch = batch.to(device)
        middle = torch.full((len(batch.truth), 1), MIDDLE, device=device)
        with autocast(device.type, bf16):
            if whole:
                output = model(batch.keyframe, batch.pictures, batch.mel, middle)
                shown = {"": output.f_hr, "int_": output.f_int}
            else:
                shown = {"int_": model.backbone(batch.pictures, batch.mel, middle)}
        for name, image in shown.items():
            image = image.float().clamp(0, 1)
            scores.setdefault(f"{name}psnr", []).append(psnr(image, batch.truth))
            scores.setdefault(f"{name}lpips", []).append(judge(image, batch.truth))
    return {name: float(np.mean(torch.cat(parts).cpu().numpy())) for name, parts in scores.items()}
