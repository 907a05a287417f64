"""The paper's training objective, L = 50·L_rec + L_fomm + 100·L_region + 0.05·L_sync (section 3.2).

Every part is optional where what it needs isn't given: no perceptual network, no landmark boxes, no lip-sync expert.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.paper.equivariance import RandomDeformation, equivariance_loss
from models.paper.network import PaperNetwork, PaperOutput
from models.paper.syncnet import SyncNet, sync_loss

PATCH = 32
"""Side that a region's patch is brought to, so that patches of all sizes weigh the same."""
SCALES = (1, 2, 4, 8)
"""Reductions at which the perceptual distance looks, FOMM's pyramid."""


@dataclass(frozen=True)
class LossWeights:
    """The paper's λ, and FOMM's own inside L_fomm."""

    rec: float = 50.0
    region: float = 100.0
    sync: float = 0.05
    perceptual: float = 10.0
    place: float = 10.0
    jacobian: float = 10.0


def patches(images: Tensor, boxes: Tensor) -> Tensor:
    """Cut out regions: (B, 3, H, W) and boxes (B, R, 4) as x0, y0, x1, y1 in pixels → (B, R, 3, 32, 32), bilinear."""
    b, count = boxes.shape[:2]
    height, width = images.shape[2:]
    side = torch.tensor([width, height, width, height], device=boxes.device, dtype=images.dtype)
    low, high = (boxes.to(images.dtype) / side * 2 - 1).split(2, -1)
    theta = torch.zeros(b, count, 2, 3, device=images.device, dtype=images.dtype)
    theta[..., 0, 0], theta[..., 1, 1] = ((high - low) / 2).unbind(-1)
    theta[..., 2] = (high + low) / 2
    grid = F.affine_grid(theta.flatten(0, 1), [b * count, 3, PATCH, PATCH], align_corners=False)
    # One image's regions below one another: a sample for each image, not for each region.
    cut = F.grid_sample(images, grid.reshape(b, count * PATCH, PATCH, 2), padding_mode="border", align_corners=False)
    return cut.reshape(b, 3, count, PATCH, PATCH).transpose(1, 2)


def region_loss(output: Tensor, truth: Tensor, boxes: Tensor, output_boxes: Tensor | None = None) -> Tensor:
    """L_region: mean squared difference of the patches around lips, nose, eyes and eyebrows.

    ``boxes`` (B, R, 4) lie around the truth's landmarks, ``output_boxes`` around the output's (the same where None). A box
    without area (landmarks not found) counts for nothing.
    """
    error = (patches(output, boxes if output_boxes is None else output_boxes) - patches(truth, boxes)) ** 2
    usable = ((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])).to(error.dtype)
    return (error.mean((2, 3, 4)) * usable).sum() / usable.sum().clamp_min(1)


def backbone_loss(f_int: Tensor, truth: Tensor) -> Tensor:
    """Eq. 1: L1 of F_int to the truth, what the backbone is pretrained with."""
    return (f_int - truth).abs().mean()


def pyramid_loss(distance: Callable[[Tensor, Tensor], Tensor], output: Tensor, truth: Tensor) -> Tensor:
    """Sum of a perceptual distance over :data:`SCALES`.

    The paper's is VGG-19 features; :class:`models.losses.PerceptualDistance` on VGG-16 stands in for it here.
    """
    total = output.new_zeros(())
    for scale in SCALES:
        a, b = (F.avg_pool2d(x, scale) if scale > 1 else x for x in (output, truth))
        total = total + distance(a, b).mean()
    return total


class PaperLoss:
    """The whole objective for one batch.

    ``perceptual``: (B, 3, H, W) twice → (B,); ``sync``: a trained :class:`SyncNet`, which is frozen here.
    """

    def __init__(
        self,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
        sync: SyncNet | None = None,
        weights: LossWeights | None = None,
    ) -> None:
        self.perceptual, self.weights = perceptual, weights or LossWeights()
        self.sync = sync.eval().requires_grad_(False) if sync else None

    def __call__(
        self,
        network: PaperNetwork,
        output: PaperOutput,
        truth: Tensor,
        mel: Tensor | None = None,
        boxes: Tensor | None = None,
        deformation: RandomDeformation | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """(L, its parts before weighting).

        ``truth`` (N·T, 3, 256, 256) in the output's order; ``mel`` (N, 4T, 80) for L_sync; ``boxes`` (N·T, R, 4) for
        L_region; ``deformation`` of N·T images, drawn at random where None.
        """
        w = self.weights
        parts = {"rec": (output.f_hr - truth).abs().mean()}
        deformation = deformation or RandomDeformation(len(truth))
        # Detached: the deformed picture teaches the detector, not the picture.
        still = output.f_int.detach()
        parts["place"], parts["jacobian"] = equivariance_loss(network.detector, still, output.driving, deformation)
        if self.perceptual is not None:
            parts["perceptual"] = pyramid_loss(self.perceptual, output.f_hr, truth)
        if boxes is not None:
            parts["region"] = region_loss(output.f_hr, truth, boxes)
        if self.sync is not None and mel is not None:
            frames = output.f_hr.reshape(len(mel), -1, *output.f_hr.shape[1:])
            parts["sync"] = sync_loss(*self.sync(frames, mel))
        total = truth.new_zeros(())
        for name, value in parts.items():
            total = total + getattr(w, name) * value
        return total, {name: float(value.detach()) for name, value in parts.items()}
