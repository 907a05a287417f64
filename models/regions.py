"""Where lips, nose, eyes and eyebrows lie in every frame of a prepared cache: boxes for L_region and for mouth crops.

facewire's own detector and face mesh look at every fifth frame; between two finds near enough the boxes are interpolated.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sender.detector import Detector
    from sender.landmarks import FaceMesh

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

NAMES = ("lips", "nose", "eyes", "eyebrows")
"""The paper's R = 4 regions, in the order of the boxes."""
EVERY, FARTHEST = 5, 10
"""Frames between two looks, and between two finds that may still be interpolated: one look may fail."""
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
_PROBABILITY = 0.5


def boxes_of(points: Float32, side: int = 256) -> Float32:
    """Mesh points (468, 2 or 3) in pixels → (4, 4) float boxes x0, y0, x1, y1 of :data:`NAMES`, clipped to [0, side].

    The margin is the same on all four sides, a share of the root of the box's area: a closed mouth or eye is so thin
    that a share of its own height would leave nothing around it.
    """
    out = np.empty((len(NAMES), 4), np.float32)
    for i, (index, share) in enumerate(zip(_POINTS, _MARGINS, strict=True)):
        low, high = points[list(index), :2].min(0), points[list(index), :2].max(0)
        margin = share * float(np.sqrt(max(np.prod(high - low), 1.0)))
        out[i] = [*(low - margin), *(high + margin)]
    return out.clip(0, side)


def mirrored_boxes(boxes: np.ndarray, side: int = 256) -> np.ndarray:
    """Boxes (..., 4) as x0, y0, x1, y1 in the picture's mirror image; what wasn't found stays zero."""
    found = boxes[..., 2:3] > boxes[..., :1]
    turned = np.stack([side - boxes[..., 2], boxes[..., 1], side - boxes[..., 0], boxes[..., 3]], -1)
    return np.where(found, turned, boxes)


def spread(frames: int, looked: list[int], found: list[Float32 | None]) -> Int16:
    """Boxes at the frames looked at (None: no face) → (frames, 4, 4) int16, interpolated over at most :data:`FARTHEST`.

    Rounded outwards, so that a box keeps its margin. Frames out of reach of two finds are all zero.
    """
    out = np.zeros((frames, len(NAMES), 4), np.float32)
    hits = [(at, boxes) for at, boxes in zip(looked, found, strict=True) if boxes is not None]
    for at, boxes in hits:
        out[at] = boxes
    for (a, first), (b, second) in pairwise(hits):
        if b - a <= FARTHEST:
            for at in range(a + 1, b):
                out[at] = first + (second - first) * np.float32((at - a) / (b - a))
    return np.concatenate([np.floor(out[..., :2]), np.ceil(out[..., 2:])], -1).astype(np.int16)


def find(rgb: npt.NDArray[np.uint8], detector: "Detector", mesh: "FaceMesh") -> Float32 | None:
    """Boxes (4, 4) of the best face in an RGB picture (256, 256, 3); None where there is no face."""
    faces = detector.detect(rgb)
    if not faces:
        return None
    points, probability = mesh.points(rgb, faces[0])
    boxes = boxes_of(points)
    # A face half out of the picture can lose a region wholly.
    return boxes if probability >= _PROBABILITY and (boxes[:, 2:] - boxes[:, :2]).min() >= 1 else None


def prepare_regions(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write ``regions.npy``, (total frames, 4, 4) int16, into the prepared split ``folder``, and give its path.

    Boxes x0, y0, x1, y1 in pixels at 256×256, x1 and y1 exclusive; all zero where no face was found. Does nothing when the
    file is there. Raises ``FileNotFoundError`` when the folder holds no cache. About 10 ms a look on one core.
    """
    path = folder / FILE
    if path.exists():
        return path
    # Here, not above: the cache itself imports this module, and only preparing needs the sender's networks.
    from models.data import Cache
    from sender.detector import BlazeFace
    from sender.landmarks import FaceMesh

    cache = Cache(folder, in_memory=False)
    detector, mesh = BlazeFace(), FaceMesh()
    out = np.zeros((len(cache.yuv), len(NAMES), 4), np.int16)
    for number, clip in enumerate(cache.clips):
        if not clip.frames:
            continue
        looked = sorted({*range(0, clip.frames, EVERY), clip.frames - 1})
        found = [find(np.asarray(cache.rgb256(clip.start + at), np.uint8), detector, mesh) for at in looked]
        out[clip.start : clip.start + clip.frames] = spread(clip.frames, looked, found)
        if number % 50 == 49:
            say(f"{number + 1} of {len(cache.clips)} clips")
    part = path.with_suffix(".part.npy")  # so that an interrupted run leaves nothing that looks finished
    np.save(part, out)
    part.replace(path)
    return path


def load_regions(folder: Path) -> Int16 | None:
    """What :func:`prepare_regions` wrote into the prepared split ``folder``, (total frames, 4, 4); None where it hasn't run."""
    path = folder / FILE
    return np.load(path) if path.exists() else None


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+", help="a prepared split, such as CACHE/train")
    for split in parser.parse_args().folder:
        boxes = np.load(prepare_regions(split, print))
        print(f"{split}: {(boxes[:, 0, 2] == 0).mean():.2%} of {len(boxes)} frames without a face")
