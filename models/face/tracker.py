"""From detections to a steady square crop, and to the face status that is sent to the peer."""

from dataclasses import dataclass

import cv2
import numpy as np

from codec.bundle import Face
from codec.media.types import Float32, UInt8
from models.face.detector import Detection, Detector
from models.face.finder import FaceFinder, Mesh

SIDE = 256
SCALE = 1.97
"""Crop side over detected face height, the median of the clips that the networks were trained on."""
ABOVE = 0.567
"""Where the face's centre lies in the crop, from its top: the median of the same clips."""
SLACK = 0.07
"""The crop stays until the face has moved by this share of its side: a still background improves the
picture and saves bits."""
PULL = 0.35
"""Share of the remaining distance that the crop covers at each update once it moves."""
REMEMBERED = 10
"""For how many pictures a face that is not seen is still searched for where it was: two seconds."""
HEAD = 1.3
"""Side of a head over that of the face's box."""
MARGIN = 0.08
"""Share of the head outside the picture from which it counts as leaving. This is reported while the
detector still sees the face; it no longer does once much of it is cut off."""


@dataclass(frozen=True)
class Crop:
    """A square in the source picture, in pixels; may reach outside it."""

    x: float
    y: float
    side: float

    def cut(self, rgb: UInt8) -> UInt8:
        """The crop as RGB (256, 256, 3); outside the picture its border is repeated. A crop wholly outside is black."""
        side = max(2, round(self.side))
        x, y = round(self.x), round(self.y)
        height, width = rgb.shape[:2]
        inside = rgb[max(y, 0) : min(y + side, height), max(x, 0) : min(x + side, width)]
        if not inside.size:
            return np.zeros((SIDE, SIDE, 3), np.uint8)
        top, left = max(-y, 0), max(-x, 0)
        bottom, right = side - top - inside.shape[0], side - left - inside.shape[1]
        if top or left or bottom or right:
            inside = np.asarray(cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8)
        if side == SIDE:
            return np.ascontiguousarray(inside)
        method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(inside, (SIDE, SIDE), interpolation=method), np.uint8)

    def inside(self, points: Float32) -> Float32:
        """Points (..., 2) of the source picture, in pixels → their positions in what :meth:`cut` returns."""
        corner = np.array((round(self.x), round(self.y)), np.float32)
        return np.asarray((points + 0.5 - corner) / np.float32(self.scale) - 0.5, np.float32)

    def outside(self, points: Float32) -> Float32:
        """Inverse of :meth:`inside`."""
        corner = np.array((round(self.x), round(self.y)), np.float32)
        return np.asarray((points + 0.5) * np.float32(self.scale) + corner - 0.5, np.float32)

    @property
    def scale(self) -> float:
        """Pixels of the source picture for each pixel of the crop."""
        return max(2, round(self.side)) / SIDE

    def towards(self, other: "Crop", share: float) -> "Crop":
        return Crop(
            *(a + (b - a) * share for a, b in zip((self.x, self.y, self.side), (other.x, other.y, other.side), strict=True))
        )


def crop_around(face: Detection) -> Crop:
    """The crop that frames ``face`` as the training clips do."""
    side = face.height * SCALE
    x, y = face.centre
    return Crop(x - side / 2, y - side * ABOVE, side)


def whole(rgb: UInt8) -> Crop:
    """The largest centred square: what is shown until a face is first seen."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    return Crop((width - side) / 2, (height - side) / 2, side)


class Tracker:
    """Follows one person. Call :meth:`update` with pictures in order, about five times a second."""

    def __init__(self, detector: Detector, mesh: Mesh | None = None) -> None:
        """``mesh``: see :class:`models.face.finder.FaceFinder`."""
        self.detector, self._finder = detector, FaceFinder(detector, mesh)
        self.crop: Crop | None = None
        self.face: Detection | None = None
        self._near: Detection | None = None  # the face, or where it was before it was missed
        self._missed = 0
        self._moving = False

    def reset(self) -> None:
        """Forget the person, for example after the camera was off."""
        self.crop, self.face, self._near, self._moving = None, None, None, False

    def rewind(self) -> None:
        """Start again with the same person, first searched for where they are now: for reading a file
        a second time."""
        near = self._near
        self.reset()
        self._near, self._missed = near, 0

    def _pick(self, faces: list[Detection]) -> Detection:
        if self._near is None:
            return max(faces, key=lambda f: f.height)
        x, y = self._near.centre
        size = self._near.height

        def distance(f: Detection) -> float:
            return float(np.hypot(f.centre[0] - x, f.centre[1] - y) / size + abs(np.log(f.height / size)))

        return min(faces, key=distance)

    def update(self, rgb: UInt8) -> tuple[Crop, Face]:
        """RGB (H, W, 3) → (crop to use, face status for the peer). Without a face the last crop stays."""
        faces = self._finder.find(rgb, self._near)
        if not faces:
            self.face, self._missed = None, self._missed + 1
            if self._missed > REMEMBERED:
                self._near = None
            return self.crop or whole(rgb), Face.NONE
        self.face = self._near = face = self._pick(faces)
        self._missed = 0
        wanted = crop_around(face)
        if self.crop is None:
            self.crop = wanted
        self._follow(wanted)
        height, width = rgb.shape[:2]
        (x, y), w, h = face.centre, face.width * HEAD / 2, face.height * HEAD / 2
        seen = max(0.0, min(x + w, width) - max(x - w, 0)) * max(0.0, min(y + h, height) - max(y - h, 0))
        if seen < (1 - MARGIN) * 4 * w * h:
            return self.crop, Face.LEAVING
        rivals = [f for f in faces if f is not face and f.height > 0.5 * face.height]
        return self.crop, Face.MANY if rivals else Face.TRACKED

    def _follow(self, wanted: Crop) -> None:
        crop = self.crop
        assert crop is not None
        half = (wanted.side - crop.side) / 2
        off = max(abs(wanted.x + half - crop.x), abs(wanted.y + half - crop.y), abs(wanted.side - crop.side)) / crop.side
        self._moving = off > (SLACK if not self._moving else SLACK / 3)
        if self._moving:
            self.crop = crop.towards(wanted, PULL)
