"""The batches of GPU training, made on the CPU from a prepared cache: to continue with its recipe where there is no GPU."""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.shape_basis import coded_points
from models.gpu_training.draw import GpuSampler
from models.gpu_training.footage import Footage, Span


class CachedFrames:
    """Frames that stay on disk, memory-mapped, and are indexed like the tensor that they replace; see :class:`Footage`."""

    device = torch.device("cpu")

    def __init__(self, cache: Cache, coarse: bool) -> None:
        self._cache, self._coarse = cache, coarse

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The frames of ``rows``: (..., 3, 64, 64), or at full size (N, 256, 256, 3)."""
        at = rows.numpy()
        if self._coarse:
            return torch.from_numpy(np.moveaxis(self._cache.coarse[at], -1, -3).copy())
        return torch.from_numpy(np.stack([self._cache.rgb256(row) for row in at]))


def footage(cache: Cache) -> Footage:
    """The footage in ``cache``. Raises ``ValueError`` where the face's points are missing."""
    points, basis = coded_points(cache)
    late = cache.late
    spans = [Span(**clip.__dict__, late=0 if late is None else late.get(clip.name)) for clip in cache.clips]
    full, coarse = (cast(Tensor, CachedFrames(cache, small)) for small in (False, True))
    placed, mel, rows = (torch.from_numpy(np.array(x, np.float32)) for x in (points, cache.mel, basis.rows))
    return Footage(spans, full, coarse, placed, mel, rows)


class DeformingSampler:
    """Draws as :class:`GpuSampler` does, each batch seeded by its number, so that a run can be resumed."""

    def __init__(self, cache: Cache, *, batch: int, seed: int) -> None:
        self._sampler, self._batch, self._seed = GpuSampler(footage(cache)), batch, seed

    def draw(self, step: int) -> Batch:
        self._sampler.rng = np.random.default_rng([self._seed, step])
        return self._sampler.batch(self._sampler.draw_wanted(self._batch))
