"""The paper's training objective, L = 50·L_rec + L_fomm + 100·L_region + 0.05·L_sync (section 3.2).

A part is left out where its input is missing: the perceptual network, the landmark boxes or the
lip-sync expert.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.lipsync.syncnet import SyncNet, sync_loss
from models.paper.equivariance import RandomDeformation, equivariance_loss
from models.paper.fomm import Keypoints
from models.paper.network import PaperNetwork, PaperOutput
from models.paper.perceptual import pyramid_loss
from models.runtime.mel import SILENCE

PATCH = 32
"""Side that a region's patch is brought to, so that patches of all sizes weigh the same."""


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
    """Cut out regions: (B, 3, H, W) and boxes (B, R, 4) as x0, y0, x1, y1 in pixels → (B, R, 3, 32,
    32), bilinear."""
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

    ``boxes`` (B, R, 4) lie around the truth's landmarks, ``output_boxes`` around the output's (the
    same where None). A box without area (landmarks not found) is ignored.
    """
    error = (patches(output, boxes if output_boxes is None else output_boxes) - patches(truth, boxes)) ** 2
    usable = ((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])).to(error.dtype)
    return (error.mean((2, 3, 4)) * usable).sum() / usable.sum().clamp_min(1)


def backbone_loss(f_int: Tensor, truth: Tensor) -> Tensor:
    """Eq. 1: L1 of F_int to the truth, the loss that pretrains the backbone."""
    return (f_int - truth).abs().mean()


class PaperLoss:
    """The whole objective for one batch.

    ``perceptual``: (B, 3, H, W) twice → (B,), applied to FOMM's pyramid; ``sync``: a trained
    :class:`SyncNet`, which is frozen here.
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
        frames: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """(L, its parts before weighting).

        ``truth`` (N·T, 3, 256, 256) in the output's order; ``mel`` (N, 4T, 80) for L_sync;
        ``boxes`` (N·T, 4, 4) for L_region. ``frames``: which of the N·T frames L_fomm uses, all
        where None; frames drawn at random estimate it without bias. The deformation is drawn from
        ``generator``.
        """
        w = self.weights
        parts = {"rec": (output.f_hr - truth).abs().mean()}
        if frames is None:
            frames = torch.arange(len(truth), device=truth.device)
        # Detached: the deformed picture trains the detector, not the picture.
        still, found = output.f_int[frames].detach(), Keypoints(output.driving.place[frames], output.driving.jacobian[frames])
        deformation = RandomDeformation(len(still), generator=generator)
        parts["place"], parts["jacobian"] = equivariance_loss(network.detector, still, found, deformation)
        if self.perceptual is not None:
            parts["perceptual"] = pyramid_loss(self.perceptual, output.f_hr[frames], truth[frames])
        if boxes is not None:
            parts["region"] = region_loss(output.f_hr, truth, boxes)
        if self.sync is not None and mel is not None:
            heard = (mel > SILENCE).flatten(1).any(1)
            if heard.any():  # a clip without sound has nothing to be in sync with
                seen = output.f_hr.unflatten(0, (len(mel), -1))[heard]
                where = None if boxes is None else boxes.unflatten(0, (len(mel), -1))[heard]
                face, sound = self.sync(seen, mel[heard], where)
                parts["sync"] = sync_loss(face.float(), sound.float())
        total = truth.new_zeros(())
        for name, value in parts.items():
            total = total + getattr(w, name) * value
        return total, {name: float(value.detach()) for name, value in parts.items()}
