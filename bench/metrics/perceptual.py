"""LPIPS (AlexNet) and DISTS: distances that follow what people see better than PSNR does."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.training.losses import PerceptualDistance

LPIPS_WEIGHTS = "lpips_alexnet.pth"
DISTS_WEIGHTS = "dists.pt"
CHANNELS = (3, 64, 128, 256, 512, 512)
"""Channels of the image and of VGG-16's stages."""
STABLE = 1e-6


def lpips(folder: Path) -> PerceptualDistance:
    """LPIPS v0.1 on AlexNet (Zhang et al., 2018): call it with (output, truth). Raises
    ``FileNotFoundError``, ``KeyError``."""
    return PerceptualDistance(folder / LPIPS_WEIGHTS, "alexnet")


class Dists(nn.Module):
    """Deep image structure and texture similarity (Ding et al., TPAMI 2022), 0 for equal images, under 1.

    With μ, σ², σ_xy over each channel of the image itself and of VGG-16's stages, and learnt
    weights α, β ≥ 0 of sum 1::

        D = 1 − Σ α (2 μ_x μ_y + c) / (μ_x² + μ_y² + c) + β (2 σ_xy + c) / (σ_x² + σ_y² + c)

    Takes images and the stages of :class:`bench.metrics.vgg16.Vgg16`, so that the original's stages are
    computed only once. ``path`` holds ``alpha`` and ``beta``, 1475 numbers each. Raises
    ``FileNotFoundError`` and ``KeyError``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = torch.load(path, weights_only=True, map_location="cpu")
        alpha, beta = (state[name].detach().float().flatten() for name in ("alpha", "beta"))
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha / total)
        self.register_buffer("beta", beta / total)

    @torch.no_grad()
    def forward(self, output: Tensor, stages: list[Tensor], truth: Tensor, true_stages: list[Tensor]) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] and their five stages, of output and truth → (N,)."""
        likeness = output.new_zeros(len(output))
        alphas, betas = (self.get_buffer(name).split(CHANNELS) for name in ("alpha", "beta"))
        for x, y, alpha, beta in zip([output, *stages], [truth, *true_stages], alphas, betas, strict=True):
            mx, my = x.mean((2, 3)), y.mean((2, 3))
            dx, dy = x - mx[:, :, None, None], y - my[:, :, None, None]
            vx, vy, cov = (dx * dx).mean((2, 3)), (dy * dy).mean((2, 3)), (dx * dy).mean((2, 3))
            texture = (2 * mx * my + STABLE) / (mx * mx + my * my + STABLE)
            structure = (2 * cov + STABLE) / (vx + vy + STABLE)
            likeness = likeness + texture @ alpha + structure @ beta
        return 1 - likeness
