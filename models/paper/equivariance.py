"""FOMM's equivariance loss: keypoints must follow a known deformation of the image, and so must
their Jacobians.

The deformation is a random affine map plus a thin-plate spline on a 5×5 grid of control points
(Siarohin et al., NeurIPS 2019, and their code: L1 distances, one weight per control point for both
axes).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from models.networks.blocks import base_grid
from models.paper.fomm import Keypoints, in_float32, inverse2x2


class RandomDeformation:
    """A random smooth map of [-1, 1]², one for each of ``batch`` images; FOMM's strengths by default."""

    def __init__(
        self, batch: int, affine: float = 0.05, bend: float = 0.005, points: int = 5, generator: torch.Generator | None = None
    ) -> None:
        noise = torch.randn(batch, 2, 3, generator=generator) * affine
        self.affine = noise + torch.eye(2, 3)
        # The spline's control points span the picture corner to corner.
        line = torch.linspace(-1, 1, points)
        self.points = torch.stack([line.repeat(points), line.repeat_interleave(points)], 1)
        self.weights = torch.randn(batch, 1, points * points, generator=generator) * bend

    def _away(self, place: Tensor) -> tuple[Tensor, Tensor]:
        d = place[:, :, None] - self.points.to(place)
        return d, d.abs().sum(-1)

    def move(self, place: Tensor) -> Tensor:
        """Where the map takes ``place`` (B, K, 2)."""
        _, r = self._away(place)
        bent = (r**2 * torch.log(r + 1e-6) * self.weights.to(place)).sum(-1, keepdim=True)
        affine = self.affine.to(place)
        return place @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2] + bent

    def jacobian(self, place: Tensor) -> Tensor:
        """Derivative of :meth:`move` at ``place`` (B, K, 2): (B, K, 2, 2), row the output's axis."""
        d, r = self._away(place)
        slope = (2 * r * torch.log(r + 1e-6) + r**2 / (r + 1e-6)) * self.weights.to(place)
        gradient = (slope[..., None] * d.sign()).sum(2)  # the same for both output axes
        return self.affine.to(place)[:, None, :, :2] + gradient[:, :, None]

    def image(self, image: Tensor) -> Tensor:
        """The deformed image D(z) = image(move(z)), (B, C, H, W), mirrored past the edges."""
        b, _, height, width = image.shape
        places = base_grid(height, width, image).reshape(1, 2, -1).transpose(1, 2).expand(b, -1, -1)
        grid = self.move(places).reshape(b, height, width, 2).to(image.dtype)
        return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)


def equivariance_loss(
    detector: Callable[[Tensor], Keypoints], image: Tensor, found: Keypoints, deformation: RandomDeformation
) -> tuple[Tensor, Tensor]:
    """(places, Jacobians), each a mean absolute error, for ``image`` (B, 3, 256, 256) whose
    keypoints are ``found``.

    A keypoint at z in the deformed image is at move(z) in ``image``. In float32 even under autocast,
    except for the detector.
    """
    with in_float32(image.device):
        deformed = deformation.image(image)
    moved = detector(deformed)
    with in_float32(image.device):
        places = (found.place - deformation.move(moved.place)).abs().mean()
        turned = deformation.jacobian(moved.place) @ moved.jacobian
        one = torch.eye(2, device=turned.device, dtype=turned.dtype)
        return places, (one - inverse2x2(found.jacobian) @ turned).abs().mean()
