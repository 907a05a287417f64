"""The basis of the face points' displacements from the keyframe's, and the meaning of a shape's coefficients.

Principal components of such displacements, learnt on the training people with lips weighted twice
and lids three times (:mod:`codec.shape.basis_table`). A point's position is x, y in pixels of the
256×256 crop. The table is in 1024ths of a pixel for each unit of a coefficient.
"""

import numpy as np

from codec.media.types import Float32, Int32
from codec.shape.basis_table import TABLE

POINTS = 54
"""Points of the face mesh that are coded; docs/format.md lists them."""
COEFFICIENTS = 16
SCALE = 1024
LIPS = tuple(range(20))
"""Which of the points lie on the lips."""
LIDS = tuple(range(20, 32))
"""Which of the points lie on the lids."""
LIPS_WEIGHT = 2
LIDS_WEIGHT = 3
BASIS: Int32 = np.array(TABLE, np.int32)
"""(16, 108): the displacement of x and y of each point for a unit of each coefficient, in 1024ths of a pixel."""


def weights() -> Float32:
    """(108,): the weight of an error at each coordinate."""
    out = np.ones(POINTS, np.float32)
    out[list(LIPS)], out[list(LIDS)] = LIPS_WEIGHT, LIDS_WEIGHT
    return out.repeat(2)


def coefficients(moved: Float32) -> Float32:
    """Movements (..., 54, 2) in pixels → the coefficients (..., 16) that approximate them best, not yet rounded."""
    rows = BASIS.astype(np.float32) / SCALE * weights() ** 2
    return np.asarray(moved.reshape(*moved.shape[:-2], 2 * POINTS) @ rows.T, np.float32)


def movements(values: np.ndarray) -> Float32:
    """Integer coefficients (..., 16) → movements (..., 54, 2) in pixels. Exact in integers before the division."""
    moved = values.astype(np.int64) @ BASIS.astype(np.int64)
    return np.asarray(moved / SCALE, np.float32).reshape(*values.shape[:-1], POINTS, 2)
