"""Principal components of the face points' displacements from the keyframe's, learnt from the training
people."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codec.media.types import Float32
from models.face.shape_points import COUNT

if TYPE_CHECKING:
    from models.data.cache import Cache

PAIRS = 20000


@dataclass(frozen=True)
class Basis:
    """``rows`` (108, 108): orthonormal, those that explain most first."""

    rows: Float32

    @classmethod
    def of(cls, cache: "Cache", seed: int = 0) -> "Basis | None":
        """Learn the basis from displacements between two frames of one clip, clips weighted by length; None
        for a cache without points."""
        if cache.points is None:
            return None
        rng, out = np.random.default_rng(seed), []
        total = sum(c.frames for c in cache.clips)
        for clip in cache.clips:
            points = cache.points[clip.start : clip.start + clip.frames]
            points = points[points.any((1, 2))]
            if len(points):
                a, b = rng.integers(0, len(points), (2, max(1, PAIRS * clip.frames // total)))
                out.append((points[a] - points[b]).reshape(-1, COUNT * 2))
        moved = np.concatenate(out) if out else np.zeros((1, COUNT * 2), np.float32)
        _, vectors = np.linalg.eigh(moved.T.astype(np.float64) @ moved)
        return cls(np.ascontiguousarray(vectors.T[::-1], np.float32))

    def coded(self, moved: Float32, count: int, step: float) -> Float32:
        """Displacements (54, 2) as they are restored from their first ``count`` components, rounded to ``step``."""
        rows = self.rows[:count]
        values = np.rint(rows @ moved.reshape(-1) / step) * step
        return (values.astype(np.float32) @ rows).reshape(COUNT, 2)


def coded_points(cache: "Cache") -> tuple[Float32, Basis]:
    """A cache's points, and the basis of their movements. Raises ``ValueError`` if it has no points."""
    basis = Basis.of(cache)
    if cache.points is None or basis is None:
        raise ValueError("the cache has no face points: run facewire train once to compute them")
    return cache.points, basis
