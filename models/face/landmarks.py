"""Face landmarks: 468 points from MediaPipe's face mesh (Kartynnik et al., 2019; Apache-2.0), for
choosing keyframes and for the face's shape."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from codec.media.types import Float32, UInt8
from models.face.detector import Detection
from models.runtime.backends import load_working

INPUT = 192
# Mesh points around each eye: outer corner, inner corner, two on the upper lid, two on the lower.
RIGHT_EYE = (33, 133, 160, 158, 144, 153)
LEFT_EYE = (263, 362, 387, 385, 373, 380)
NOSE = 1
RIGHT_CHEEK = 234
LEFT_CHEEK = 454


@dataclass(frozen=True)
class Region:
    """The square that the mesh looks at: centre and half side in pixels, turned by ``angle`` radians clockwise."""

    x: float
    y: float
    half: float
    angle: float = 0.0


def region_of(points: Float32) -> Region:
    """Where to look again for a face that had these points (468, 2 or 3): a square around it, turned so
    that the eyes are level."""
    across = points[LEFT_EYE[0], :2] - points[RIGHT_EYE[0], :2]
    angle = float(np.arctan2(across[1], across[0]))
    c, s = np.cos(angle), np.sin(angle)
    upright = points[:, :2] @ np.array([[c, -s], [s, c]], np.float32)
    low, high = upright.min(0), upright.max(0)
    x, y = (low + high) / 2
    return Region(float(c * x - s * y), float(s * x + c * y), 0.75 * float((high - low).max()), angle)


class FaceMesh:
    """468 points of one face; on one core about 2 ms with OpenVINO, 5 with ONNX Runtime. Drive it from one thread."""

    def __init__(self) -> None:
        path = Path(str(resources.files("models").joinpath("weights", "face_landmark.onnx")))
        self._network, _ = load_working(path, "auto", 1, exact=True, cuda=False)
        (self._input,) = self._network.inputs

    def points(self, rgb: UInt8, face: Detection) -> tuple[Float32, float]:
        """Picture and face → ((468, 3) x, y in pixels and depth on the same scale, probability that
        it is a face)."""
        x, y = face.centre
        return self.within(rgb, Region(x, y, 0.75 * max(face.width, face.height)))

    def within(self, rgb: UInt8, region: Region) -> tuple[Float32, float]:
        """As :meth:`points`, for the face in ``region``."""
        c, s = np.cos(region.angle), np.sin(region.angle)
        turn = np.array([[c, s], [-s, c]], np.float32)  # turns row vectors
        centre = np.array([region.x, region.y], np.float32)
        source = centre + np.array([[-1, -1], [1, -1], [-1, 1]], np.float32) * np.float32(region.half) @ turn
        target = np.array([[0, 0], [INPUT, 0], [0, INPUT]], np.float32)
        matrix = cv2.getAffineTransform(source, target)
        cut = cv2.warpAffine(rgb, matrix, (INPUT, INPUT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        tensor = (cut.astype(np.float32) / 255.0).transpose(2, 0, 1)[None]
        outputs = sorted((o.reshape(-1) for o in self._network.run({self._input: tensor}).values()), key=lambda o: -o.size)
        points = (outputs[0].reshape(468, 3) - (INPUT / 2, INPUT / 2, 0)) * (2 * region.half / INPUT)
        points[:, :2] = points[:, :2] @ turn + centre
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
