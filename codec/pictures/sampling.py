"""Area-averaged sampling: a face crop → the small picture that is sent (paper section 3: 8×8)."""

import numpy as np
import numpy.typing as npt

from codec.errors import SyntaxLimitError
from codec.media.types import UInt8
from codec.pictures.colour import rgb_to_ycbcr

SIZE = 8
"""Side of the picture that is sent, in pixels."""


def area_average(rgb: npt.NDArray[np.integer], size: int = SIZE) -> UInt8:
    """Mean of each block: RGB (H, W, 3) in 0..255 → RGB (size, size, 3) uint8, rounded to nearest.

    Three times H and W must be multiples of ``size`` (a crop is 256×256, a picture 8, 12, 16 or
    32): then the sum is exact in integers; where blocks share input pixels, these are first repeated
    three times along each axis. Raises :class:`SyntaxLimitError` otherwise.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or size < 1:
        raise SyntaxLimitError(f"cannot area-average an array of shape {rgb.shape} to {size}x{size}: not (H, W, 3)")
    height, width = rgb.shape[:2]
    if (height % size or width % size) and not height * 3 % size and not width * 3 % size:
        return area_average(rgb.repeat(3, 0).repeat(3, 1), size)
    if height % size or width % size or not height or not width:
        raise SyntaxLimitError(f"cannot area-average {width}x{height} to {size}x{size}: not a multiple")
    bh, bw = height // size, width // size
    # Rows first: one pass over the picture in memory order.
    rows = np.add.reduce(rgb.reshape(size, bh, width * 3), axis=1, dtype=np.int64)
    sums = rows.reshape(size, size, bw, 3).sum(axis=2)
    count = bh * bw
    mean: UInt8 = ((sums + count // 2) // count).astype(np.uint8)
    return mean


def sample(rgb: npt.NDArray[np.integer], size: int = SIZE) -> UInt8:
    """Face crop RGB (H, W, 3) uint8 → picture YCbCr 4:4:4 (size, size, 3) uint8."""
    return rgb_to_ycbcr(area_average(rgb, size))
