"""Follows the face mesh's points from picture to picture: it looks where they were, turned so that the
eyes are level; the detector finds a face that was lost.

After a jump, as between two scenes, the mesh still sees a face where one was, and is sure of it: it needs up to ten
pictures to move onto the real one. So the detector checks points that have moved, turned or changed size much."""

import numpy as np

from codec.media.types import Float32, UInt8
from models.face.detector import Detection, Detector
from models.face.landmarks import FaceMesh, Region, region_of
from models.face.tracker import ABOVE, SCALE, SIDE, Crop

PROBABLE = 0.5
"""Probability of a face that the mesh must give for its points to count."""

MOVED = 0.05
"""How far a face moves from one picture to the next, over half the side of the square looked at, before its points are
checked; in one of a hundred pictures of the dev clips at 25 FPS."""
SCALED = 0.04
"""The same for its size: natural logarithm of the ratio."""
TURNED = 0.044
"""The same for its angle, in radians."""
HIGHER = 0.07
"""The middle of the mesh's points lies this much above the middle of the detector's box, over the box's height."""
ASTRAY = 0.16
"""How far it may lie from there, over that height. In the dev clips it is at most 0.143, of wrong points at least 0.19."""


def _jumped(before: Region, now: Region) -> bool:
    moved = float(np.hypot(now.x - before.x, now.y - before.y)) > MOVED * before.half
    return moved or abs(np.log(now.half / before.half)) > SCALED or abs(now.angle - before.angle) > TURNED


def _astray(region: Region, face: Detection) -> bool:
    x, y = face.centre
    return float(np.hypot(region.x - x, region.y - y + HIGHER * face.height)) > ASTRAY * face.height


def _off_centre(face: Detection) -> float:
    """How far a face is, in position and size, from the usual face in the tracker's crops."""
    usual = SIDE / SCALE
    x, y = face.centre
    return float(np.hypot(x - SIDE / 2, y - SIDE * ABOVE) / usual + abs(np.log(face.height / usual)))


def _seen_in(region: Region, crop: Crop | None) -> Region:
    """A region of the picture → the same in pixels of its crop."""
    if crop is None:
        return region
    x, y = crop.inside(np.array((region.x, region.y), np.float32)).tolist()
    return Region(x, y, region.half / crop.scale, region.angle)


class PointFollower:
    """Follows the one face of a steady crop. Pass it the camera's pictures in order; 2 to 5 ms each."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self._detector, self._mesh = detector, mesh
        self._region: Region | None = None

    def reset(self) -> None:
        """Forget the face: the next picture shows another place or person."""
        self._region = None

    def see(self, rgb: UInt8, crop: Crop | None = None) -> Float32 | None:
        """Picture (H, W, 3) → the mesh's points (468, 2) in its pixels; None where no face is found. ``crop``: the
        part to look at, which may move from one picture to the next; None: the picture is a crop (256, 256, 3) itself."""
        view = crop.cut(rgb) if crop else rgb
        region = self._find(view) if self._region is None else _seen_in(self._region, crop)
        points, probability = self._mesh.within(view, region) if region else (np.zeros((468, 3), np.float32), 0.0)
        if self._region and region and probability >= PROBABLE and _jumped(region, region_of(points)):
            points, probability = self._checked(view, points, probability)
        if probability < PROBABLE:
            self._region = None
            return None
        found = crop.outside(points[:, :2]) if crop else np.ascontiguousarray(points[:, :2])
        self._region = region_of(found)
        return found

    def _checked(self, view: UInt8, points: Float32, probability: float) -> tuple[Float32, float]:
        """The points, or others where the detector sees the face elsewhere; with their probability."""
        faces = self._detector.detect(view)
        if not faces or not all(_astray(region_of(points), face) for face in faces):
            return points, probability
        region = self._region_in(view, faces)
        return self._mesh.within(view, region) if region else (points, 0.0)

    def _find(self, view: UInt8) -> Region | None:
        faces = self._detector.detect(view)
        return self._region_in(view, faces) if faces else None

    def _region_in(self, view: UInt8, faces: list[Detection]) -> Region | None:
        points, probability = self._mesh.points(view, min(faces, key=_off_centre))
        return region_of(points) if probability >= PROBABLE else None
