"""The face mesh's points from picture to picture: looked for where they were, turned upright by the
line between the eyes; the detector finds the face where it was lost."""

import numpy as np

from codec.media.types import Float32, UInt8
from models.face.detector import Detection, Detector
from models.face.landmarks import FaceMesh, Region, region_of
from models.face.tracker import ABOVE, SCALE, SIDE

PROBABLE = 0.5
"""What the mesh must think of a face for its points to count."""


def _off_centre(face: Detection) -> float:
    """How far a face lies from where the tracker's crops have theirs, in place and size."""
    usual = SIDE / SCALE
    x, y = face.centre
    return float(np.hypot(x - SIDE / 2, y - SIDE * ABOVE) / usual + abs(np.log(face.height / usual)))


class PointFollower:
    """Follows the one face of a steady crop. Feed it pictures in order; 2 to 5 ms each."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self._detector, self._mesh = detector, mesh
        self._region: Region | None = None

    def reset(self) -> None:
        """The next picture shows another place or person."""
        self._region = None

    def see(self, rgb: UInt8) -> Float32 | None:
        """Crop (256, 256, 3) → the mesh's points (468, 2) in its pixels; None where no face is found."""
        points, probability = self._look(rgb)
        self._region = region_of(points) if probability >= PROBABLE else None
        return np.ascontiguousarray(points[:, :2]) if self._region is not None else None

    def _look(self, rgb: UInt8) -> tuple[Float32, float]:
        if self._region is not None:
            return self._mesh.within(rgb, self._region)
        nothing = np.zeros((468, 3), np.float32), 0.0
        faces = self._detector.detect(rgb)
        if not faces:
            return nothing
        points, probability = self._mesh.points(rgb, min(faces, key=_off_centre))
        return self._mesh.within(rgb, region_of(points)) if probability >= PROBABLE else nothing
