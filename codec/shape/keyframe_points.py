"""The keyframe's own points in bytes: the shapes of later pictures are coded relative to them."""

import numpy as np

from codec.errors import SyntaxLimitError
from codec.media.types import Float32
from codec.shape.basis import POINTS

BITS = 10
"""Bits of a coordinate, in quarters of a pixel; a point outside the picture is moved to its edge."""
SIZE = 2 * POINTS * BITS // 8
"""Bytes of all points."""


def pack_points(points: Float32) -> bytes:
    """Points (54, 2), x and y in pixels of 256×256 → 135 bytes. Raises :class:`SyntaxLimitError` for anything else."""
    if points.shape != (POINTS, 2) or not np.isfinite(points).all():
        raise SyntaxLimitError(f"points of shape {points.shape} are not {POINTS} positions")
    values = np.rint(points.reshape(-1) * 4).clip(0, (1 << BITS) - 1).astype(">u2")
    bits = np.unpackbits(values.view(np.uint8).reshape(-1, 2), axis=1)[:, -BITS:]
    return np.packbits(bits).tobytes()


def parse_points(data: bytes) -> Float32:
    """Inverse of :func:`pack_points`, to a quarter of a pixel. Raises :class:`SyntaxLimitError` for another length."""
    if len(data) != SIZE:
        raise SyntaxLimitError(f"points of {len(data)} bytes, not {SIZE}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, BITS).astype(np.int32)
    values = bits @ (1 << np.arange(BITS - 1, -1, -1))
    return (values.reshape(POINTS, 2) / 4).astype(np.float32)
