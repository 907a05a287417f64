"""Which picture of the first second becomes the keyframe: sharp, frontal, eyes open."""

from dataclasses import dataclass

import cv2
import numpy as np

from codec.media.types import UInt8
from models.face.detector import BlazeFace, Detector
from models.face.landmarks import FaceMesh, eye_opening, frontality

NO_FACE = 0.1
KEPT = 10


@dataclass(frozen=True)
class Quality:
    """What a candidate is judged by. Sharpness and eye opening are compared within one choice: how
    wide open eyes measure differs from person to person, a blink halves it."""

    sharpness: float
    frontality: float
    eyes: float
    face: float

    def score(self, sharpest: float, widest: float) -> float:
        """Higher is better, given the choice's sharpest picture and widest eyes."""
        eyes = float(np.clip((self.eyes / max(widest, 1e-6) - 0.55) / 0.3, 0.1, 1.0))
        return (self.sharpness / max(sharpest, 1e-6)) * (0.3 + self.frontality) * eyes * self.face


class KeyframeChoice:
    """Collects candidate crops and names the best. A crop without a face is used only when there is no other."""

    def __init__(self, detector: Detector | None = None, mesh: FaceMesh | None = None) -> None:
        self.detector, self.mesh = detector or BlazeFace(), mesh or FaceMesh()
        self.candidates: list[tuple[Quality, UInt8]] = []
        self.tried = 0

    def anew(self) -> "KeyframeChoice":
        """Another choice, of what comes from now on."""
        return KeyframeChoice(self.detector, self.mesh)

    def judge(self, crop: UInt8) -> Quality:
        """Quality of a crop (256, 256, 3)."""
        faces = self.detector.detect(crop)
        inner = cv2.cvtColor(crop[48:224, 48:208], cv2.COLOR_RGB2GRAY)
        sharpness = float(np.sqrt(cv2.Laplacian(inner, cv2.CV_32F).var()))
        if not faces:
            return Quality(sharpness, 0.0, 0.0, NO_FACE)
        points, sure = self.mesh.points(crop, faces[0])
        return Quality(sharpness, frontality(points), eye_opening(points), 0.3 + 0.7 * sure)

    def add(self, crop: UInt8) -> None:
        """Look at a crop; only the best few are kept."""
        self.candidates.append((self.judge(crop), crop))
        self.tried += 1
        if len(self.candidates) > KEPT:
            best = self.best()
            self.candidates = [c for c in self.candidates if c[1] is best] + self.candidates[-KEPT + 1 :]

    @property
    def has_face(self) -> bool:
        """Whether any candidate shows one."""
        return any(q.face > NO_FACE for q, _ in self.candidates)

    def best(self) -> UInt8:
        """The best crop so far. Raises ``ValueError`` when nothing was added."""
        if not self.candidates:
            raise ValueError("no candidate for the keyframe")
        sharpest = max(q.sharpness for q, _ in self.candidates)
        widest = max(q.eyes for q, _ in self.candidates)
        return max(self.candidates, key=lambda c: c[0].score(sharpest, widest))[1]
