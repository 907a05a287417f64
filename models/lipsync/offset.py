"""The offset between lips and sound, from their distance at each shift (as SyncNet's LSE-C and offset)."""

import numpy as np

from codec.media.types import Float64

REACH = 15
"""Shifts tried, in frames, both ways: 0.6 s, as in SyncNet's own evaluation."""


def nearest(means: Float64) -> tuple[int, float]:
    """Mean distances (2·reach + 1,) at shifts −reach … +reach → (the shift of the smallest, the
    median minus the smallest).

    NaN entries are ignored. The second value is the confidence: the larger, the clearer the shift.
    """
    best = int(np.nanargmin(means))
    return best - len(means) // 2, float(np.nanmedian(means) - means[best])
