"""``fd_vgg16``: Fréchet distance between the VGG-16 features of originals and outputs.

**Not FID**: FID's features are those of one Inception network (pool3, 2048 numbers), these are
VGG-16's relu5_3 with L2 pooling, averaged over the picture, 512 numbers. The two can't be compared,
and neither can figures from different numbers of frames: with few frames (a few hundred) the
distance is too large. Compare only within one run.
"""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from codec.media.types import Float64


def embedding(stages: list[Tensor]) -> Float64:
    """The stages of :class:`bench.metrics.vgg16.Vgg16` → (N, 512)."""
    return stages[-1].mean((2, 3)).double().cpu().numpy()


def frechet_distance(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """‖μ_a − μ_b‖² + tr(C_a + C_b − 2 (C_a C_b)^½) of features (N, D) and (M, D), taken as Gaussian
    (Heusel et al., 2017).

    The root's trace comes from the eigenvalues of C_a^½ C_b C_a^½, which is symmetric: they are real, and
    stable where the covariances are singular, as they are with fewer samples than dimensions. Raises
    ``ValueError`` for fewer than 2 samples.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("a Fréchet distance needs at least two samples of each")
    a, b = a.astype(np.float64), b.astype(np.float64)
    ca, cb = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(ca)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    middle = root @ cb @ root
    trace = np.sqrt(np.linalg.eigvalsh((middle + middle.T) / 2).clip(0)).sum()
    apart = a.mean(0) - b.mean(0)
    return float(max(0.0, apart @ apart + np.trace(ca) + np.trace(cb) - 2 * trace))
