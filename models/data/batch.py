"""The input of a training step and of an evaluation, and what makes it."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from models.data.cache import Cache


WINDOW = 5
"""Frames in a window, the paper's T."""
PLACES = (1, 2, 3)
"""Where a window's middle may be in a tick, in frames after the tick before: the pictures of all five
frames are then known."""


@dataclass
class Batch:
    """Keyframe and truth (N, 3, S, S), pictures (N, 5, 3, 8, 8), all in [0, 1]; mel (N, 20, 80);
    detail (N, 3, 64, 64).

    ``boxes`` (N, 4, 4) are the truth's lips, nose, eyes, eyebrows as x0, y0, x1, y1 in 256ths of
    its side; zeros where no face was found. ``shape`` (N, 2, 54, 2): the face's points in the
    keyframe and in the truth (:mod:`models.face.shape_points`), zeros where they are not known.
    """

    keyframe: Tensor
    truth: Tensor
    pictures: Tensor
    mel: Tensor
    detail: Tensor
    boxes: Tensor
    shape: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


class BatchSource(Protocol):
    """Makes batches by their number, as :class:`models.data.sampler.Sampler` does."""

    def draw(self, step: int) -> Batch: ...


class MakeBatchSource(Protocol):
    """Makes a sampler over ``cache``; ``functools.partial(Sampler, side=64)`` is one."""

    def __call__(self, cache: "Cache", *, batch: int, seed: int) -> BatchSource: ...
