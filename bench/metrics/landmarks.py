"""Landmark distance (LMD): how far the output's features lie from where the original's are.

Measured with facewire's own face mesh, so it isn't the LMD of papers that used another landmark
network or another scale.
"""

from dataclasses import dataclass

import numpy as np

from codec.media.types import Float32, UInt8
from models.data.regions import boxes_of
from models.face.detector import BlazeFace, Detection
from models.face.landmarks import LEFT_EYE, RIGHT_EYE, FaceMesh

SEEN = 0.5
"""At this probability or more the mesh has seen a face."""
FAR = 0.15
"""If the mean landmark distance, divided by the eyes' distance, is above this, the face found is another one or none."""
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
"""Mesh points of the lips' outer and inner contour."""


@dataclass(frozen=True)
class FoundFace:
    """The original's face: its box, mesh points (468, 3) in pixels, and box of the mouth (x0, y0, x1, y1)."""

    box: Detection
    points: Float32
    mouth: Float32


def landmark_distance(output: Float32, truth: Float32, which: tuple[int, ...] | None = None) -> float:
    """Mean distance in the picture plane of mesh points (468, 2 or 3), divided by the distance of the
    truth's outer eye corners.

    ``which`` limits it to some points.
    """
    eyes = float(np.linalg.norm(truth[RIGHT_EYE[0], :2] - truth[LEFT_EYE[0], :2]))
    index = slice(None) if which is None else list(which)
    return float(np.linalg.norm(output[index, :2] - truth[index, :2], axis=1).mean() / max(eyes, 1e-6))


class Landmarks:
    """Detector and mesh, 7 ms a picture on one core."""

    def __init__(self) -> None:
        self._detector, self._mesh = BlazeFace(), FaceMesh()

    def find(self, truth: UInt8) -> FoundFace | None:
        """The best face of an original (H, W, 3); None if there is none: skip that frame."""
        faces = self._detector.detect(truth)
        if not faces:
            return None
        points, probability = self._mesh.points(truth, faces[0])
        return FoundFace(faces[0], points, boxes_of(points)[0]) if probability >= SEEN else None

    def points(self, output: UInt8, face: FoundFace) -> tuple[Float32, float]:
        """Mesh points of an output, found within the original's box, and the probability of a face."""
        return self._mesh.points(output, face.box)

    def judge(self, output: UInt8, face: FoundFace) -> dict[str, float]:
        """``lmd`` over all points, ``lmd_lips``, ``face_seen``: 1 if the mesh sees a face in the output,
        else 0, and ``broken``: 1 if it sees none, or one whose ``lmd`` is above :data:`FAR`.

        The mesh is run within the original's box, and its points count even if it sees no face.
        """
        points, probability = self.points(output, face)
        away = landmark_distance(points, face.points)
        return {
            "lmd": away,
            "lmd_lips": landmark_distance(points, face.points, LIPS),
            "face_seen": float(probability >= SEEN),
            "broken": float(probability < SEEN or away > FAR),
        }
