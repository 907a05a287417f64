"""The points of the face mesh that describe the positions of mouth, lids and head: their indices,
mirror images and groups.

Points are (54, 2) x, y in [-1, 1], the corners of the crop's 256×256 pixels; all zero where no face was found.
"""

import numpy as np
import numpy.typing as npt

from codec.media.types import Float32

OUTER_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
INNER_LIPS_ABOVE = (78, 81, 13, 311, 308)
INNER_LIPS_BELOW = (402, 14, 178)
LIDS_ABOVE = (160, 159, 158, 387, 386, 385)
LIDS_BELOW = (144, 145, 153, 373, 374, 380)
EYE_CORNERS = (33, 133, 263, 362)
BROWS = (70, 105, 107, 300, 334, 336)
NOSE = (1, 168, 98, 327)
OUTLINE = (10, 152, 234, 454, 172, 397, 103, 332)
GROUPS = (OUTER_LIPS, INNER_LIPS_ABOVE, INNER_LIPS_BELOW, LIDS_ABOVE, LIDS_BELOW, EYE_CORNERS, BROWS, NOSE, OUTLINE)
MESH = tuple(point for group in GROUPS for point in group)
"""Index of each of the points among the mesh's 468."""
COUNT = len(MESH)

_LEFT_RIGHT = (
    (61, 291), (40, 270), (37, 267), (91, 321), (84, 314), (78, 308), (81, 311), (178, 402), (160, 387), (159, 386), (158, 385),
    (144, 373), (145, 374), (153, 380), (33, 263), (133, 362), (70, 300), (105, 334), (107, 336), (98, 327), (234, 454),
    (172, 397), (103, 332),
)  # fmt: skip
_OTHER = {a: b for pair in _LEFT_RIGHT for a, b in (pair, pair[::-1])}
MIRROR = tuple(MESH.index(_OTHER.get(point, point)) for point in MESH)
"""For each point the one that it becomes in a mirror image."""

DRAWN = (INNER_LIPS_ABOVE, INNER_LIPS_BELOW, LIDS_ABOVE, LIDS_BELOW, OUTER_LIPS, BROWS)
"""Groups whose positions are also given to the network as images, each point as a soft blob."""


def from_mesh(points: npt.NDArray[np.floating]) -> Float32:
    """Mesh points (..., 468, 2 or 3) in pixels at 256×256 → (..., 54, 2) in [-1, 1]; points that are all zero stay so."""
    picked = pixels_of(points)
    known = picked.any((-1, -2), keepdims=True)
    return np.where(known, network_points(picked), 0).astype(np.float32)


def pixels_of(mesh: npt.NDArray[np.floating]) -> Float32:
    """Mesh points (..., 468, 2 or 3) → the 54 that are coded, (..., 54, 2), still in pixels."""
    return np.asarray(mesh[..., list(MESH), :2], np.float32)


def network_points(pixels: Float32) -> Float32:
    """Points (..., 54, 2) in pixels at 256×256 → in [-1, 1], as the network takes them."""
    return np.asarray(pixels / 128 - 1, np.float32)


def mirrored_points(points: Float32) -> Float32:
    """Points (..., 54, 2) in the picture's mirror image."""
    known = points.any((-1, -2), keepdims=True)
    turned = points[..., list(MIRROR), :] * np.array([-1, 1], np.float32)
    return np.where(known, turned, 0).astype(np.float32)


def groups() -> Float32:
    """(6, 54): one where a point belongs to one of :data:`DRAWN`."""
    return np.array([[float(p in group) for p in MESH] for group in DRAWN], np.float32)
