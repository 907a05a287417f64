"""How far mouth and lids are open, and whether the output opens and shuts them with the original."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.metrics.landmarks import Landmarks
from codec.media.types import Float32, UInt8
from models.face.landmarks import LEFT_EYE, RIGHT_EYE, eye_opening

INNER_LIPS = (13, 14)
"""Mesh points in the middle of the upper and of the lower lip's inner edge."""
LEAST = 3
"""Minimum number of frames for a correlation."""


def lips_opening(points: Float32) -> float:
    """Distance of the inner lips' middles divided by that of the outer eye corners, in mesh points (468, 2 or 3)."""
    eyes = float(np.linalg.norm(points[RIGHT_EYE[0], :2] - points[LEFT_EYE[0], :2]))
    above, below = (points[i, :2] for i in INNER_LIPS)
    return float(np.linalg.norm(below - above)) / max(eyes, 1e-6)


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation; nan for too few values, or if either series is constant."""
    if len(a) < LEAST or np.std(a) < 1e-9 or np.std(b) < 1e-9:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


class Openings:
    """Judges the frames of one clip with the face mesh, 7 ms a frame."""

    def __init__(self, landmarks: Landmarks) -> None:
        self._landmarks = landmarks

    def judge(self, truth: Sequence[UInt8], shown: Mapping[str, Sequence[UInt8]]) -> dict[str, dict[str, float]]:
        """Originals in order, and each variant's frames → ``lips_follow`` and ``lids_follow`` of each variant:
        correlation over time with the original's opening. Frames whose original shows no face are left out."""
        faces = [(i, face) for i, frame in enumerate(truth) if (face := self._landmarks.find(frame))]
        wanted = [_opening(face.points) for _, face in faces]
        out = {}
        for name, frames in shown.items():
            found = [_opening(self._landmarks.points(frames[i], face)[0]) for i, face in faces]
            lips, lids = (correlation([f[part] for f in found], [w[part] for w in wanted]) for part in (0, 1))
            out[name] = {"lips_follow": lips, "lids_follow": lids}
        return out


def _opening(points: Float32) -> tuple[float, float]:
    return lips_opening(points), eye_opening(points)
