"""Smooth random deformations of whole samples: faces of other proportions, seen from other sides,
so that a network trained long on few people does not memorise them.

Keyframe, target and points of a sample are deformed alike; the pictures that are sent are made from
deformed frames.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.face.shape_points import MIRROR
from models.networks.blocks import base_grid

CONTROL = 5
"""Control points of the smooth field along a side."""
ROUNDS = 5
"""Fixed-point iterations that invert a deformation at the face's points."""


def on(device: torch.device, array: np.ndarray) -> Tensor:
    """A small array on the GPU, without waiting for the GPU's pending work."""
    kind = {"f": np.float32, "b": np.bool_}.get(array.dtype.kind, np.int64)
    return torch.from_numpy(array.astype(kind)).to(device, non_blocking=True)


@cache
def index(device: torch.device, places: tuple[int, ...]) -> Tensor:
    """Indices along a dimension, kept on the device."""
    return torch.tensor(places, device=device)


@dataclass(frozen=True)
class Strength:
    """Standard deviations: radians, logarithm of the size, logarithm of width over height, shift
    and smooth field in half-sides."""

    turn: float = 0.1
    size: float = 0.08
    aspect: float = 0.05
    shift: float = 0.06
    smooth: float = 0.03


@dataclass
class Affine:
    """places (N, 2, …) → linear (N, 2, 2) · places + shift (N, 2)."""

    linear: Tensor
    shift: Tensor

    def __call__(self, places: Tensor) -> Tensor:
        flat = places.flatten(2)
        return (self.linear @ flat + self.shift[:, :, None]).reshape(len(self.linear), *places.shape[1:])

    def inverse(self) -> "Affine":
        (a, b), (c, d) = (row.unbind(1) for row in self.linear.unbind(1))
        # By hand: the library's inverse waits for the GPU.
        back = torch.stack([d, -b, -c, a], 1).unflatten(1, (2, 2)) / (a * d - b * c)[:, None, None]
        return Affine(back, -(back @ self.shift[:, :, None])[..., 0])


def draw_affine(rng: np.random.Generator, some: np.ndarray, strength: Strength, device: torch.device) -> Affine:
    """Random maps where ``some`` (N,) is true, identities elsewhere."""
    n = len(some)
    angle, size, aspect = (rng.normal(0, s, n) * some for s in (strength.turn, strength.size, strength.aspect))
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], 1), np.stack([np.sin(angle), np.cos(angle)], 1)], 1)
    scale = np.exp(np.stack([size + aspect, size - aspect], 1))
    shift = rng.normal(0, strength.shift, (n, 2)) * some[:, None]
    return Affine(on(device, turn * scale[:, None, :]), on(device, shift))


@dataclass
class Deformation:
    """Maps each position in the result to its position in the source. ``field`` (N, 2, 5, 5): the smooth
    part at control points; ``flip`` (N,): -1 where mirrored, else 1."""

    affine: Affine
    field: Tensor
    flip: Tensor

    def _smooth(self, places: Tensor) -> Tensor:
        fine = F.interpolate(self.field, size=(64, 64), mode="bicubic", align_corners=True)
        grid = places.flatten(2).permute(0, 2, 1)[:, None]
        found = F.grid_sample(fine, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return found[:, :, 0].reshape(places.shape)

    def source(self, places: Tensor) -> Tensor:
        """Positions in the result (N, 2, …), in half-sides → positions in the source."""
        found = self.affine(places) + self._smooth(places)
        x = found[:, :1] * self.flip.reshape(-1, 1, *[1] * (places.dim() - 2))
        return torch.cat([x, found[:, 1:]], 1)

    def points(self, points: Tensor) -> Tensor:
        """The face's points of the source (N, 54, 2) → of the result; zeros stay zeros."""
        known = points.abs().amax((1, 2), keepdim=True) > 0
        other = points[:, index(points.device, MIRROR)]
        other = torch.stack([-other[..., 0], other[..., 1]], -1)
        turned = torch.where((self.flip < 0)[:, None, None], other, points)
        wanted, back = turned.transpose(1, 2), self.affine.inverse()
        at = back(wanted)
        for _ in range(ROUNDS):
            at = back(wanted - self._smooth(at))
        return torch.where(known, at.transpose(1, 2), torch.zeros_like(points))


def draw_deformation(rng: np.random.Generator, count: int, share: float, mirror: float, strength: Strength,
                     device: torch.device) -> Deformation:  # fmt: skip
    """Of ``count`` samples a share ``share`` is deformed, and independently a share ``mirror`` is mirrored."""
    some = rng.random(count) < share
    field = rng.normal(0, strength.smooth, (count, 2, CONTROL, CONTROL)) * some[:, None, None, None]
    flip = np.where(rng.random(count) < mirror, -1.0, 1.0)
    return Deformation(draw_affine(rng, some, strength, device), on(device, field), on(device, flip))


def take(images: Tensor, places: Tensor) -> Tensor:
    """Images (N, C, S, S) sampled at ``places`` (N, 2, H, W), bicubic: what is not moved stays as it is."""
    grid = places.permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)


def grid(side: int, count: int, device: torch.device) -> Tensor:
    """Pixel centres (N, 2, side, side)."""
    return base_grid(side, side, torch.empty(0, device=device)).expand(count, 2, side, side)
