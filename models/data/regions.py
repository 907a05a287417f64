"""Boxes of lips, nose, eyes and eyebrows (the paper's R = 4 regions): their geometry, and where the
cache keeps them."""

from pathlib import Path

import numpy as np

from codec.media.types import Float32, Int16

NAMES = ("lips", "nose", "eyes", "eyebrows")
"""The paper's R = 4 regions, in the order of the boxes."""
FILE = "regions.npy"
# Points of the face mesh: the lips' outer contour, ridge and wings of the nose, both lids, both brows.
_POINTS = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    (168, 6, 197, 195, 5, 4, 1, 2, 98, 97, 326, 327, 129, 358, 48, 278, 64, 294),
    (
        33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173,
        263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398,
    ),
    (46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336),
)  # fmt: skip
_MARGINS = (0.25, 0.15, 0.15, 0.15)


def boxes_of(points: Float32, side: int = 256) -> Float32:
    """Mesh points (468, 2 or 3) in pixels → (4, 4) float boxes x0, y0, x1, y1 of :data:`NAMES`,
    clipped to [0, side].

    The margin is the same on all four sides, a share of the root of the box's area: a closed mouth
    or eye is so thin that a share of its own height would leave nothing around it.
    """
    out = np.empty((len(NAMES), 4), np.float32)
    for i, (index, share) in enumerate(zip(_POINTS, _MARGINS, strict=True)):
        low, high = points[list(index), :2].min(0), points[list(index), :2].max(0)
        margin = share * float(np.sqrt(max(np.prod(high - low), 1.0)))
        out[i] = [*(low - margin), *(high + margin)]
    return out.clip(0, side)


def mirrored_boxes(boxes: np.ndarray, side: int = 256) -> np.ndarray:
    """Boxes (..., 4) as x0, y0, x1, y1 in the picture's mirror image; boxes that were not found stay zero."""
    found = boxes[..., 2:3] > boxes[..., :1]
    turned = np.stack([side - boxes[..., 2], boxes[..., 1], side - boxes[..., 0], boxes[..., 3]], -1)
    return np.where(found, turned, boxes)


def load_regions(folder: Path) -> Int16 | None:
    """What :func:`models.data.find_regions.prepare_regions` wrote into the prepared split ``folder``, (total frames, 4, 4);
    None where it hasn't run."""
    path = folder / FILE
    return np.load(path) if path.exists() else None
