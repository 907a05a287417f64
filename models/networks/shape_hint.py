"""From the face's points, now and in the keyframe, to a dense hint of the flow: an input of
:class:`models.networks.face_upsampler.CoarsePredictor`.

Uses only arithmetic that ONNX Runtime has everywhere: matrix products and exponentials, and no
inverse except of a 2×2 matrix.
"""

from functools import cache

import torch
from torch import Tensor

from models.face.shape_points import DRAWN, groups
from models.networks.blocks import base_grid, unrounded

SIDE = 64
WIDTH = 0.09
"""Width of a point's influence, in half-sides: 0.045 of the side."""
FAR = 20.0
"""Limit of the Gaussian's negative exponent: no weight falls below 2e-9. Products of smaller ones become denormal floats, which
processors multiply ten times as slowly."""
AFFINE_WEIGHT = 0.05
"""Weight of the affine fit. It dominates far from all points, where their total weight is smaller."""
CHANNELS = 3 + len(DRAWN)


def hint(shape: Tensor) -> Tensor:
    """Points (N, 2, 54, 2), the keyframe's and then now's, in [-1, 1] → (N, 9, 64, 64): flow (x, y,
    in half-sides), confidence in [0, 1], and the points of each group of
    :data:`models.face.shape_points.DRAWN` as soft blobs. Unknown points are given as zeros;
    all channels are zero then."""
    # Squared positions must not be rounded to bf16.
    with unrounded(shape):
        return _hint(shape.float())


@cache
def _drawn(device: torch.device) -> Tensor:
    return torch.from_numpy(groups()).to(device)


def _hint(shape: Tensor) -> Tensor:
    key, now = shape[:, 0], shape[:, 1]
    known = ((key.abs().amax((1, 2)) > 0) & (now.abs().amax((1, 2)) > 0)).to(shape.dtype)[:, None, None]
    moved = key - now
    grid = base_grid(SIDE, SIDE, shape).flatten(2)  # (1, 2, 4096)
    apart = (now * now).sum(2)[:, :, None] - 2 * now @ grid + (grid * grid).sum(1)[:, None]
    weight = torch.exp(apart.clamp(0, 2 * FAR * WIDTH**2) * (-0.5 / WIDTH**2))  # (N, 54, 4096)
    total = weight.sum(1, keepdim=True)
    near = moved.transpose(1, 2) @ weight  # (N, 2, 4096)
    flow = (near + AFFINE_WEIGHT * affine(now, moved, grid)) / (total + AFFINE_WEIGHT)
    confidence = total / (total + 0.3)
    drawn = _drawn(shape.device) @ (weight * weight)
    out = torch.cat([flow, confidence, drawn], 1) * known
    return out.reshape(len(shape), CHANNELS, SIDE, SIDE)


def affine(now: Tensor, moved: Tensor, places: Tensor) -> Tensor:
    """The affine map that fits ``moved`` (N, 54, 2) at ``now`` best, at each of ``places`` (N or 1, 2, P): (N, 2, P)."""
    middle, mean = now.mean(1, keepdim=True), moved.mean(1, keepdim=True)
    p, d = now - middle, moved - mean
    xx, xy, yy = ((p[..., i] * p[..., j]).sum(1) + 1e-4 * (i == j) for i, j in ((0, 0), (0, 1), (1, 1)))
    scale = 1 / (xx * yy - xy * xy)
    inverse = torch.stack([yy, -xy, -xy, xx], 1).reshape(-1, 2, 2) * scale[:, None, None]
    slope = d.transpose(1, 2) @ p @ inverse  # (N, 2, 2): from place to movement
    return slope @ (places - middle.transpose(1, 2)) + mean.transpose(1, 2)
