"""Finds the landmark regions of every frame of a prepared cache, once: ``python -m
models.data.find_regions CACHE/train``.

facewire's own detector and face mesh run on every fifth frame; between two detections that are near
enough the boxes are interpolated.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.media.types import Float32, Int16
from models.data.cache import Cache, write_per_frame
from models.data.clip import Clip
from models.data.regions import FILE, NAMES, boxes_of
from models.face.detector import BlazeFace, Detector
from models.face.landmarks import FaceMesh

EVERY = 5
"""Frames from one detection to the next."""
FARTHEST = 10
"""Most frames from one found face to the next to interpolate over: one detection may fail."""
_PROBABILITY = 0.5


def spread(frames: int, looked: list[int], found: list[Float32 | None]) -> Int16:
    """Boxes at the frames looked at (None: no face) → (frames, 4, 4) int16, interpolated over at
    most :data:`FARTHEST`.

    Rounded outwards, so that a box keeps its margin. Frames that cannot be interpolated are all zero.
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


def find(rgb: npt.NDArray[np.uint8], detector: Detector, mesh: FaceMesh) -> Float32 | None:
    """Boxes (4, 4) of the best face in an RGB picture (256, 256, 3); None where there is no face."""
    faces = detector.detect(rgb)
    if not faces:
        return None
    points, probability = mesh.points(rgb, faces[0])
    boxes = boxes_of(points)
    # A face half outside the picture can lose a whole region.
    return boxes if probability >= _PROBABILITY and (boxes[:, 2:] - boxes[:, :2]).min() >= 1 else None


def prepare_regions(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write ``regions.npy``, (total frames, 4, 4) int16, into the prepared split ``folder``, and return its path.

    Boxes x0, y0, x1, y1 in pixels at 256×256, x1 and y1 exclusive; all zero where no face was
    found. Does nothing when the file is there. Raises ``FileNotFoundError`` when the folder holds
    no cache. About 10 ms a detection on one core.
    """
    path = folder / FILE
    if path.exists():
        return path
    detector, mesh = BlazeFace(), FaceMesh()

    def of_clip(cache: Cache, clip: Clip) -> Int16:
        looked = sorted({*range(0, clip.frames, EVERY), clip.frames - 1})
        found = [find(np.asarray(cache.rgb256(clip.start + at), np.uint8), detector, mesh) for at in looked]
        return spread(clip.frames, looked, found)

    return write_per_frame(folder, FILE, np.zeros((len(NAMES), 4), np.int16), of_clip, "", say)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+", help="a prepared split, such as CACHE/train")
    for split in parser.parse_args().folder:
        boxes = np.load(prepare_regions(split, print))
        print(f"{split}: {(boxes[:, 0, 2] == 0).mean():.2%} of {len(boxes)} frames without a face")
