"""Faces of any size from ``min_face`` on: BlazeFace looks at the whole picture and, where that is large, at tiles of it."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sender.detector import Detection, Detector
from sender.tracker import SIDE, crop_around

UInt8 = npt.NDArray[np.uint8]

TILE = 7
"""Side of a tile over the smallest face's height. BlazeFace finds 98 % of faces of an eighth of what it looks at, 87 % of a
ninth, 38 % of an eleventh (60 people)."""
SAME = 0.4
"""Two finds that overlap by more than this share of the smaller one are one face."""


def overlap(a: Detection, b: Detection) -> tuple[float, float]:
    """(intersection over union, intersection over the smaller one) of two boxes, in [0, 1]."""
    w = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    h = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if w <= 0 or h <= 0:
        return 0.0, 0.0
    sizes = a.width * a.height, b.width * b.height
    return w * h / (sum(sizes) - w * h), w * h / min(sizes)


def _starts(length: int, tile: int, least: int) -> list[int]:
    """Where tiles begin so that they cover ``length`` and neighbours share at least ``least``."""
    if length <= tile:
        return [0]
    count = -(-(length - least) // (tile - least))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def find_faces(rgb: UInt8, detector: Detector, min_face: float) -> list[Detection]:
    """Faces in RGB (H, W, 3), surest first, each once. Those under about ``min_face`` pixels high may be missed."""
    height, width = rgb.shape[:2]
    found = list(detector.detect(rgb))
    tile = round(TILE * min_face)
    if max(height, width) > 1.25 * tile:
        shared = round(2 * min_face)
        for y in _starts(height, tile, shared):
            for x in _starts(width, tile, shared):
                part = rgb[y : y + tile, x : x + tile]
                for face in detector.detect(part):
                    moved = face.points + np.array([x, y], np.float32)
                    found.append(replace(face, x=face.x + x, y=face.y + y, points=moved))
    # A tile's edge can cut a face in two: of two finds of one face the larger is whole.
    kept: list[Detection] = []
    for face in sorted(found, key=lambda f: -f.height):
        if all(overlap(face, other)[1] <= SAME for other in kept):
            kept += _closer(rgb, face, detector)
    return sorted(kept, key=lambda f: -f.score)


def _closer(rgb: UInt8, face: Detection, detector: Detector) -> list[Detection]:
    """``face`` as a second look finds it in the crop that would be made of it; nothing where there is none.

    A face of an eighth of what was looked at comes out 15 % too large with a spread of 10 %, in its crop within 3 % (39 people).
    """
    crop = crop_around(face)
    scale = max(2, round(crop.side)) / SIDE
    corner = np.array([round(crop.x), round(crop.y)], np.float32)
    found = [
        replace(
            f, x=f.x * scale + float(corner[0]), y=f.y * scale + float(corner[1]), width=f.width * scale,
            height=f.height * scale, points=f.points * np.float32(scale) + corner,
        )
        for f in detector.detect(crop.cut(rgb))
    ]  # fmt: skip
    same = [f for f in found if overlap(f, face)[1] > SAME]
    return [max(same, key=lambda f: overlap(f, face)[0])] if same else []
