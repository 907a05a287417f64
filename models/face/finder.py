"""Finds faces from a twentieth of the picture's height upwards, and keeps to the one found before:
where to look, and at which scale.

BlazeFace takes 128×128 pixels. In a whole picture of 1280×720 it misses faces below a quarter of the
height; in parts of the picture it finds far smaller ones. Searching all parts at once takes too long
for a call: :class:`FaceFinder` searches a few of them per picture while nobody is seen, and
afterwards looks closely where the face was.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from codec.media.types import UInt8
from models.face.detector import Detection, Detector

SMALLEST = 0.05
"""Height of the smallest face that is searched for, as a share of the picture's shorter side."""
TILE = 7
"""Side of a tile over the height of the smallest face in it. BlazeFace finds 98 % of the faces that
are an eighth as high as its input, 87 % at a ninth, 38 % at an eleventh (60 people)."""
TURN = 8
"""Tiles searched in one picture; five pictures a second are searched."""
AROUND = 3.6
"""Side of the square searched around a face that was seen before, over its height: as far as a head
moves in a fifth of a second."""
FRAMED = 2.0
"""The same for the second detection, which confirms a face and measures it."""
SURE = 1 / 4
"""Height of a face over the picture's longer side below which a second detection confirms and
measures it."""
PROBABLE = 0.5
"""Probability that the face mesh must give to a new face found in a tile, or of which the detector is not certain."""
CERTAIN = 0.8
"""The detector's score from which a face found in the whole picture needs no confirmation by the mesh; of a small face, the
score of the closer look."""
SAME = 0.4
"""Two detections that overlap by more than this share of the smaller one are one face."""


def overlap(a: Detection, b: Detection) -> tuple[float, float]:
    """(intersection over union, intersection over the smaller one) of two boxes, in [0, 1]."""
    w = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    h = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if w <= 0 or h <= 0:
        return 0.0, 0.0
    sizes = a.width * a.height, b.width * b.height
    return w * h / (sum(sizes) - w * h), w * h / min(sizes)


def starts(length: int, tile: int, shared: int) -> list[int]:
    """Where tiles begin so that they cover ``length`` and neighbours share at least ``shared``."""
    if length <= tile:
        return [0]
    count = -(-(length - shared) // (tile - shared))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


Tile = tuple[int, int, int]
"""A square part of a picture: x, y, side, in pixels."""


def tiles(width: int, height: int, smallest: float) -> list[Tile]:
    """Parts of the picture, from the largest size down to the one in which BlazeFace sees a face of
    ``smallest`` pixels; every face from that height up to those found in the whole picture lies wholly in
    one of them. None where the whole picture suffices. In each size the middle, where people sit, comes
    first."""
    out: list[Tile] = []
    side = max(width, height)
    while side > 1.25 * TILE * smallest:
        seen = side / TILE  # the smallest face that is reliably seen in parts of the previous size
        side = max(round(side / 2), round(TILE * smallest))
        shared = min(round(1.3 * seen), side // 2)
        level = [(x, y, side) for y in starts(height, side, shared) for x in starts(width, side, shared)]
        out += sorted(level, key=lambda t: abs(t[0] + side / 2 - width / 2) + abs(t[1] + side / 2 - height / 2))
    return out


def look_at(rgb: UInt8, part: Tile, detector: Detector) -> list[Detection]:
    """Faces in a part of RGB (H, W, 3), in the whole picture's pixels."""
    x, y, side = part
    height, width = rgb.shape[:2]
    left, top = max(x, 0), max(y, 0)
    inside = rgb[top : min(y + side, height), left : min(x + side, width)]
    if min(inside.shape[:2]) < 2:
        return []
    corner = np.array([left, top], np.float32)
    return [replace(f, x=f.x + left, y=f.y + top, points=f.points + corner) for f in detector.detect(inside)]


def look_closer(rgb: UInt8, face: Detection, detector: Detector, share: float = FRAMED) -> Detection | None:
    """``face`` as it is found in a square around it, ``share`` times as high; None where it is not found.

    A face an eighth as high as the detector's input is measured 15 % too large with a spread of 10 %,
    in its own square within 3 % (39 people).
    """
    side = max(2, round(face.height * share))
    x, y = face.centre
    found = look_at(rgb, (round(x - side / 2), round(y - side / 2), side), detector)
    same = [f for f in found if overlap(f, face)[1] > SAME]
    return max(same, key=lambda f: overlap(f, face)[0]) if same else None


def distinct(faces: list[Detection]) -> list[Detection]:
    """The faces without duplicates, highest first: of two detections of one face the larger is kept,
    because a tile's edge can cut a face in two."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda f: -f.height):
        if all(overlap(face, other)[1] <= SAME for other in kept):
            kept.append(face)
    return kept


def _same(face: Detection, near: Detection | None) -> bool:
    return near is not None and overlap(face, near)[1] > SAME


class Mesh(Protocol):
    """What distinguishes a face from what only looks like one: :class:`models.face.landmarks.FaceMesh`."""

    def points(self, rgb: UInt8, face: Detection) -> tuple[npt.NDArray[np.float32], float]:
        """(points, probability that it is a face)."""


class FaceFinder:
    """Looks for faces in the pictures of one stream, in order, about five times a second."""

    def __init__(self, detector: Detector, mesh: Mesh | None = None) -> None:
        """``mesh``: confirms new faces that are small or doubtful; without it all count."""
        self.detector, self._mesh = detector, mesh
        self._turn: Iterator[Tile] = iter(())
        self._size = (0, 0)

    def find(self, rgb: UInt8, near: Detection | None = None) -> list[Detection]:
        """Faces in RGB (H, W, 3): those found in the whole picture, and the one at ``near``, where a
        face was before; if there are none, those in the next few tiles."""
        found = [f for f in self._whole(rgb) if f.score >= CERTAIN or _same(f, near) or self._is_face(rgb, f)]
        if near is not None and not any(_same(f, near) for f in found):
            again = look_closer(rgb, near, self.detector, AROUND)
            if again:
                found = distinct([*found, again])
        return found or self._search(rgb)

    def _whole(self, rgb: UInt8) -> list[Detection]:
        least = max(rgb.shape[:2]) * SURE
        found = [f if f.height >= least else look_closer(rgb, f, self.detector) for f in self.detector.detect(rgb)]
        return [f for f in found if f is not None]

    def _search(self, rgb: UInt8) -> list[Detection]:
        size = rgb.shape[1], rgb.shape[0]
        parts = list(islice(self._turn, TURN)) if size == self._size else []
        if not parts:
            self._size, self._turn = size, iter(tiles(*size, min(size) * SMALLEST))
            parts = list(islice(self._turn, TURN))
        seen = [face for part in parts for face in look_at(rgb, part, self.detector)]
        closer = (look_closer(rgb, face, self.detector) for face in distinct(seen))
        return [face for face in closer if face is not None and self._is_face(rgb, face)]

    def _is_face(self, rgb: UInt8, face: Detection) -> bool:
        return self._mesh is None or self._mesh.points(rgb, face)[1] >= PROBABLE
