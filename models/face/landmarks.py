"""Face landmarks: 468 points from MediaPipe's face mesh (Kartynnik et al., 2019; Apache-2.0), for
the keyframe's choice.

``FaceAlignment`` is the optional other backend (68 points, PyPI ``face-alignment``), loaded when
asked for: it needs torch and fetches its own weights on first use.
"""

from typing import Any

import cv2
import numpy as np

from codec.media.types import Float32, UInt8
from models.face.detector import Detection, session

INPUT = 192
# Mesh points around each eye: outer corner, inner corner, two on the upper lid, two on the lower.
RIGHT_EYE = (33, 133, 160, 158, 144, 153)
LEFT_EYE = (263, 362, 387, 385, 373, 380)
NOSE, RIGHT_CHEEK, LEFT_CHEEK = 1, 234, 454


class FaceMesh:
    """468 points of one face; about 5 ms on one core."""

    def __init__(self) -> None:
        self._session = session("face_landmark.onnx")
        self._input = self._session.get_inputs()[0].name

    def points(self, rgb: UInt8, face: Detection) -> tuple[Float32, float]:
        """Picture and face → ((468, 3) x, y in pixels and depth on the same scale, probability that
        it is a face)."""
        x, y = face.centre
        half = 0.75 * max(face.width, face.height)
        source = np.array([[x - half, y - half], [x + half, y - half], [x - half, y + half]], np.float32)
        target = np.array([[0, 0], [INPUT, 0], [0, INPUT]], np.float32)
        matrix = cv2.getAffineTransform(source, target)
        cut = cv2.warpAffine(rgb, matrix, (INPUT, INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        tensor = (cut.astype(np.float32) / 255.0).transpose(2, 0, 1)[None]
        outputs = sorted((o.reshape(-1) for o in self._session.run(None, {self._input: tensor})), key=lambda o: -o.size)
        points = outputs[0].reshape(468, 3) * (2 * half / INPUT)
        points[:, :2] += (x - half, y - half)
        return points.astype(np.float32), float(1 / (1 + np.exp(-outputs[1][0])))


def eye_opening(points: Float32) -> float:
    """Mean height over width of both eyes (eye aspect ratio): about 0.3 open, under 0.15 closed."""

    def one(i: tuple[int, ...]) -> float:
        p = points[list(i), :2]
        height = np.linalg.norm(p[2] - p[4]) + np.linalg.norm(p[3] - p[5])
        return float(height / (2 * np.linalg.norm(p[0] - p[1]) + 1e-6))

    return (one(RIGHT_EYE) + one(LEFT_EYE)) / 2


def frontality(points: Float32) -> float:
    """1 when the nose lies midway between the cheeks, 0 in profile."""
    nose, right, left = (points[i, 0] for i in (NOSE, RIGHT_CHEEK, LEFT_CHEEK))
    a, b = abs(nose - right), abs(left - nose)
    return float(min(a, b) / (max(a, b) + 1e-6))


class FaceAlignment:
    """68 points with the ``landmarks`` extra. Raises ``ImportError`` with what to install."""

    def __init__(self, device: str = "cpu") -> None:
        try:
            import face_alignment
        except ImportError as error:
            raise ImportError("pip install 'facewire[landmarks]' for the face-alignment backend") from error
        self._model: Any = face_alignment.FaceAlignment(face_alignment.LandmarksType.TWO_D, device=device)

    def points(self, rgb: UInt8, face: Detection) -> tuple[Float32, float]:
        """As :meth:`FaceMesh.points`, with (68, 3) points whose depth is zero."""
        box = (face.x, face.y, face.x + face.width, face.y + face.height)
        found = self._model.get_landmarks_from_image(rgb, detected_faces=[box])
        if not found:
            return np.zeros((68, 3), np.float32), 0.0
        return np.pad(found[0].astype(np.float32), ((0, 0), (0, 1))), 1.0
