"""Colour conversion between 8-bit RGB and full-range BT.601 YCbCr (JFIF), in integers only.

Every machine computes the same bytes: fixed-point factors with 16 fractional bits, rounded by adding one
half before the shift. Source: ITU-T T.871 (JFIF), section 7.
"""

import numpy as np
import numpy.typing as npt

from codec.media.types import UInt8

_HALF = 1 << 15


def rgb_to_ycbcr(rgb: npt.NDArray[np.integer]) -> UInt8:
    """RGB (..., 3) in 0..255 → YCbCr (..., 3) uint8, chroma centred on 128."""
    r, g, b = (rgb[..., i].astype(np.int32) for i in range(3))
    y = (19595 * r + 38470 * g + 7471 * b + _HALF) >> 16
    cb = ((-11059 * r - 21709 * g + 32768 * b + _HALF) >> 16) + 128
    cr = ((32768 * r - 27439 * g - 5329 * b + _HALF) >> 16) + 128
    return np.clip(np.stack([y, cb, cr], axis=-1), 0, 255).astype(np.uint8)


def ycbcr_to_rgb(ycbcr: npt.NDArray[np.integer]) -> UInt8:
    """YCbCr (..., 3) in 0..255 → RGB (..., 3) uint8. Inverse of :func:`rgb_to_ycbcr` to within rounding."""
    y = ycbcr[..., 0].astype(np.int32) << 16
    cb = ycbcr[..., 1].astype(np.int32) - 128
    cr = ycbcr[..., 2].astype(np.int32) - 128
    r = (y + 91881 * cr + _HALF) >> 16
    g = (y - 22554 * cb - 46802 * cr + _HALF) >> 16
    b = (y + 116130 * cb + _HALF) >> 16
    return np.clip(np.stack([r, g, b], axis=-1), 0, 255).astype(np.uint8)
