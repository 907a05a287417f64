"""The face's shape in a stream: mesh points of a tick's crops, coded relative to the keyframe's points."""

import numpy as np

from codec.keyframe import Keyframe
from codec.media.types import Float32, UInt8
from codec.pictures.header import PictureHeader
from codec.shape.basis import coefficients
from codec.shape.shape import ShapeEncoder
from codec.shape.syntax import BETWEEN
from models.face.detector import Detector
from models.face.following import PointFollower
from models.face.landmarks import FaceMesh
from models.face.shape_points import pixels_of


def points_of(rgb: UInt8, detector: Detector, mesh: FaceMesh) -> Float32 | None:
    """The points (54, 2), in pixels, of a face in a picture (256, 256, 3) that stands alone; None without a face."""
    found = PointFollower(detector, mesh).see(rgb)
    return None if found is None else pixels_of(found)


class OutgoingShapes:
    """The shapes of one stream. For each tick :meth:`see`, and then :meth:`encode` or :meth:`skip`."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self._follower, self._encoder = PointFollower(detector, mesh), ShapeEncoder()
        self._tick: list[Float32 | None] = []
        self._last: tuple[UInt8, Float32 | None] | None = None

    def hide(self) -> None:
        """Nobody is to be seen."""
        self._follower.reset()
        self._tick, self._last = [], None
        self._encoder.skip()

    def see(self, crops: list[UInt8]) -> None:
        """A tick's crops (256, 256, 3), in order."""
        self._tick = [self._points(crop) for crop in crops]

    def _points(self, crop: UInt8) -> Float32 | None:
        if self._last is None or self._last[0] is not crop:  # a slow camera's picture comes several times
            found = self._follower.see(crop)
            self._last = crop, None if found is None else pixels_of(found)
        return self._last[1]

    def skip(self) -> None:
        """The tick is sent without a shape, or not at all."""
        self._encoder.skip()

    def encode(self, number: int, header: PictureHeader, keyframe: Keyframe, all_frames: bool) -> bytes | None:
        """The shape of the newest tick, to go with picture ``number``; None if keyframe or tick show no face.

        ``all_frames``: code all five frames, not the last alone. If a face is missing in any of them, only
        the last is coded.
        """
        key, end = keyframe.points, self._tick[-1] if self._tick else None
        if key is None or end is None:
            self.skip()
            return None
        known = [points for points in self._tick if points is not None]
        told = known if all_frames and len(known) == len(self._tick) == BETWEEN + 1 else [end]
        return self._encoder.encode(number, header, coefficients(np.stack(told) - key))[0]
