"""Changes of colour and light for training batches, against the paper's failure (a): people filmed in
one light are seen in many.

Colours change linearly, so shrinking a picture and changing its colours commute: the 8×8 pictures
are changed as their frames are.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.batch import Batch

_LUMA = np.array([0.299, 0.587, 0.114])
BOTH_SHARE = 0.5
"""Share of samples whose keyframe and truth get the same change of colours."""
TRUTH_SHARE = 0.12
"""Share of samples in which the light changes between keyframe and truth."""


def _matrix(rng: np.random.Generator, gain: float, channel: float, saturation: float) -> np.ndarray:
    s = np.exp(rng.normal(0, saturation))
    gains = np.exp(rng.normal(0, gain) + rng.normal(0, channel, 3))
    return np.diag(gains) @ (s * np.eye(3) + (1 - s) * np.ones((3, 1)) * _LUMA)


def _field(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Light from one side: (2, 2) factors for the corners."""
    slope = np.clip(rng.normal(0, strength, 2), -0.5, 0.5)
    return 1 + slope[0] * np.array([[-1, 1], [-1, 1]]) + slope[1] * np.array([[-1, -1], [1, 1]])


def _apply(images: Tensor, matrix: Tensor, field: Tensor, clip: bool = True) -> Tensor:
    """Images (N, C·3, S, S) times matrix (N, 3, 3) times light (N, 2, 2)."""
    n, _, side, _ = images.shape
    x = torch.einsum("nij,ntjhw->ntihw", matrix, images.reshape(n, -1, 3, side, side))
    light = F.interpolate(field[:, None], size=(side, side), mode="bilinear", align_corners=False)
    x = x.reshape(images.shape) * light
    return (x.clamp(0, 1) if clip else x).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Light:
    """Colours of a batch: ``keyframe`` and ``truth`` (N, 3, 3), ``field`` (N, 2, 2), light on the truth."""

    keyframe: np.ndarray
    truth: np.ndarray
    field: np.ndarray


def draw_light(rng: np.random.Generator, count: int) -> Light:
    """Random changes of colours for :data:`BOTH_SHARE` of the samples, of light for :data:`TRUTH_SHARE`."""
    both, own = np.stack([np.eye(3)] * count), np.stack([np.eye(3)] * count)
    field = np.ones((count, 2, 2))
    for i in range(count):
        if rng.random() < BOTH_SHARE:
            both[i] = _matrix(rng, 0.12, 0.06, 0.25)
        if rng.random() < TRUTH_SHARE:
            own[i], field[i] = _matrix(rng, 0.2, 0.06, 0.15), _field(rng, 0.2)
    return Light(both, own @ both, field)


def lit_by(batch: Batch, light: Light) -> Batch:
    """The batch with these colours and this light."""
    keyframe, truth, field = (
        torch.from_numpy(x).float().to(batch.truth.device, non_blocking=True) for x in (light.keyframe, light.truth, light.field)
    )
    pictures = _apply(batch.pictures.flatten(1, 2), truth, field).reshape(batch.pictures.shape)
    return replace(
        batch,
        keyframe=_apply(batch.keyframe, keyframe, torch.ones_like(field)),
        truth=_apply(batch.truth, truth, field),
        pictures=pictures.contiguous(),
        detail=_apply(batch.detail, truth, field, clip=False),
    )


def relight(batch: Batch, rng: np.random.Generator) -> Batch:
    """The batch with other colours and light, drawn from ``rng``."""
    return lit_by(batch, draw_light(rng, len(batch.truth)))
