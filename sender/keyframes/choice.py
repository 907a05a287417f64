"""Which of the pictures seen becomes the keyframe: the one most like all of them, and sharp, frontal, eyes open."""

from dataclasses import dataclass

import cv2
import numpy as np

from codec.media.types import Float32, UInt8
from codec.pictures.sampling import sample
from models.face.detector import BlazeFace, Detector
from models.face.landmarks import FaceMesh, eye_opening, frontality
from models.face.shape_points import pixels_of

NO_FACE = 0.1
KEPT = 25
"""Candidates that are kept: five seconds of ticks of 200 ms."""
SMALL = 16
"""Side of the small pictures, by which light and position are compared."""
FAR = 60.0
"""Difference added for a candidate without a face, in pixels: more than a head moves within a scene."""
WEIGHT = 0.25
"""Exponent of the quality. With one keyframe chosen from ten for each of 58 dev clips, LPIPS is 0.058 with it, 0.059 without;
0.066 by quality only, 0.073 with the first picture, 0.055 at best (docs/decisions.md)."""


@dataclass(frozen=True)
class Quality:
    """How good a candidate is on its own. Sharpness and eye opening are compared only within one choice:
    the measured opening of open eyes differs from person to person, and a blink halves it."""

    sharpness: float
    frontality: float
    eyes: float
    face: float

    def score(self, sharpest: float, widest: float) -> float:
        """Higher is better, given the choice's sharpest picture and widest eyes."""
        eyes = float(np.clip((self.eyes / max(widest, 1e-6) - 0.55) / 0.3, 0.1, 1.0))
        return (self.sharpness / max(sharpest, 1e-6)) * (0.3 + self.frontality) * eyes * self.face


@dataclass(frozen=True)
class Candidate:
    """A crop (256, 256, 3) that was judged; ``small`` (16, 16, 3): the crop averaged down; ``points`` (54, 2): its face's,
    in pixels, None without a face."""

    crop: UInt8
    quality: Quality
    small: Float32
    points: Float32 | None

    def unlike(self, other: "Candidate") -> float:
        """How badly this one would show the other: the mean distance of the face's points in pixels, plus the mean difference of
        the small pictures in levels."""
        apart = float(np.abs(self.small - other.small).mean())
        if self.points is None:
            return apart + FAR
        return apart if other.points is None else apart + float(np.hypot(*(self.points - other.points).T).mean())


class KeyframeChoice:
    """Collects candidate crops and returns the best; the oldest beyond :data:`KEPT` are forgotten. A crop without a face is used
    only when there is no other."""

    def __init__(self, detector: Detector | None = None, mesh: FaceMesh | None = None) -> None:
        self.detector, self.mesh = detector or BlazeFace(), mesh or FaceMesh()
        self.candidates: list[Candidate] = []
        self.tried = 0

    def new_choice(self) -> "KeyframeChoice":
        """Another choice, from the crops that come from now on."""
        return KeyframeChoice(self.detector, self.mesh)

    def judge(self, crop: UInt8) -> Candidate:
        """Judge a crop (256, 256, 3)."""
        faces, small = self.detector.detect(crop), sample(crop, SMALL).astype(np.float32)
        inner = cv2.cvtColor(crop[48:224, 48:208], cv2.COLOR_RGB2GRAY)
        sharpness = float(np.sqrt(cv2.Laplacian(inner, cv2.CV_32F).var()))
        if not faces:
            return Candidate(crop, Quality(sharpness, 0.0, 0.0, NO_FACE), small, None)
        points, sure = self.mesh.points(crop, faces[0])
        quality = Quality(sharpness, frontality(points), eye_opening(points), 0.3 + 0.7 * sure)
        return Candidate(crop, quality, small, pixels_of(points))

    def add(self, crop: UInt8) -> None:
        """Judge a crop, and keep it as a candidate."""
        self.candidates = [*self.candidates, self.judge(crop)][-KEPT:]
        self.tried += 1

    def thin(self) -> None:
        """Forget every other candidate."""
        self.candidates = self.candidates[::2]

    @property
    def has_face(self) -> bool:
        """Whether any candidate shows one."""
        return any(c.quality.face > NO_FACE for c in self.candidates)

    def merits(self) -> list[float]:
        """How good each of the candidates is; higher is better."""
        sharpest = max((c.quality.sharpness for c in self.candidates), default=0.0)
        widest = max((c.quality.eyes for c in self.candidates), default=0.0)

        def merit(candidate: Candidate) -> float:
            unlike = sum(candidate.unlike(other) for other in self.candidates) / len(self.candidates)
            return candidate.quality.score(sharpest, widest) ** WEIGHT / (1 + unlike)

        return [merit(c) for c in self.candidates]

    def best(self) -> UInt8:
        """The best crop so far. Raises ``ValueError`` when nothing was added."""
        if not self.candidates:
            raise ValueError("no candidate for the keyframe")
        merits = self.merits()
        return self.candidates[merits.index(max(merits))].crop
