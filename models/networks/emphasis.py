"""Exaggerates the movements of lips and lids before the network renders them.

The network renders them too small: a mouth that opens by 1 to 8 pixels opens 1 to 2 pixels less, lids that close move half as
far (training people, :mod:`bench.motion_amplitude`). So larger movements go in (docs/decisions.md). Training uses
the points as they are.
"""

from functools import cache

import torch
from torch import Tensor

from models.face.shape_points import INNER_LIPS_ABOVE, INNER_LIPS_BELOW, LIDS_ABOVE, LIDS_BELOW, MESH, OUTER_LIPS
from models.networks.blocks import unrounded
from models.networks.shape_hint import affine

LIPS, LIDS = 0.6, 2.5
"""Share that is added to a small movement."""
LIPS_HALF, LIDS_HALF = 4 / 128, 6 / 128
"""Length of a movement, in half-sides, at which the added share is half as large. What is added never exceeds this length
times the share."""
_EYE = 3
"""Points of one eye in each of the lids' groups."""


def _own_movements() -> Tensor:
    """(54, 54): movement of every point → the movements that are emphasised. For lids that is the movement relative to
    the mean of their eye's lids, which moves with the head."""
    out = torch.zeros(len(MESH), len(MESH))
    lips = [MESH.index(p) for p in (*OUTER_LIPS, *INNER_LIPS_ABOVE, *INNER_LIPS_BELOW)]
    out[lips, lips] = 1
    for first in (0, _EYE):
        eye = LIDS_ABOVE[first : first + _EYE] + LIDS_BELOW[first : first + _EYE]
        lids = torch.tensor([MESH.index(p) for p in eye])
        out[lids[:, None], lids] = torch.eye(len(lids)) - 1 / len(lids)
    return out


@cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    lids = torch.tensor([p in (*LIDS_ABOVE, *LIDS_BELOW) for p in MESH])[:, None]
    added = torch.where(lids, LIDS, LIPS)
    half = torch.where(lids, LIDS_HALF, LIPS_HALF)
    return _own_movements().to(device), added.to(device), (1 / half).to(device)


def emphasised(shape: Tensor | None) -> Tensor | None:
    """Points (N, 2, 54, 2), the keyframe's and then now's, in [-1, 1] → the same with lips and lids moved further. The affine
    part of all points' movement, the head's, is left as it is; so are unknown points, None or all zero."""
    if shape is None:
        return None
    with unrounded(shape):
        key, now = shape.float().unbind(1)
        own, added, per_half = _constants(shape.device)
        moved = now - key
        beyond = own @ (moved - affine(now, moved, now.transpose(1, 2)).transpose(1, 2))
        length = (beyond * beyond).sum(2, keepdim=True).sqrt()
        return torch.stack([key, now + beyond * (added / (1 + length * per_half))], 1)
