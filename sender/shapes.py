"""The face's shape in a stream: mesh points of a tick's pictures, coded relative to the keyframe's points."""

from collections import deque

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
from models.face.tracker import Crop


def points_of(rgb: UInt8, detector: Detector, mesh: FaceMesh) -> Float32 | None:
    """The points (54, 2), in pixels, of the face in a single picture (256, 256, 3); None without a face."""
    found = PointFollower(detector, mesh).see(rgb)
    return None if found is None else pixels_of(found)


class OutgoingShapes:
    """The shapes of one stream. For each tick :meth:`see`, and then :meth:`encode` or :meth:`skip`."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self._follower, self._encoder = PointFollower(detector, mesh), ShapeEncoder()
        self._tick: list[Float32 | None] = []
        # The camera's newest pictures on which the mesh was run, with their points in its pixels.
        self._known: deque[tuple[UInt8, Float32 | None]] = deque(maxlen=BETWEEN + 1)

    def hide(self) -> None:
        """Nobody is visible."""
        self._follower.reset()
        self._tick = []
        self._known.clear()
        self._encoder.skip()

    def look(self, frame: UInt8, crop: Crop) -> Float32 | None:
        """Find the face's points (54, 2) in the camera's newest picture (H, W, 3), in its pixels. May be called as soon as
        it is captured, before its tick ends: :meth:`see` then uses the result. ``crop``: about where the face is."""
        for seen, points in self._known:
            if seen is frame:  # processed early, or delivered several times by a slow camera
                return points
        found = self._follower.see(frame, crop)
        points = None if found is None else pixels_of(found)
        self._known.append((frame, points))
        return points

    def see(self, placed: list[tuple[UInt8, Crop]]) -> None:
        """A tick's pictures, in order, each with its crop."""
        found = [(self.look(frame, crop), crop) for frame, crop in placed]
        self._tick = [None if points is None else crop.inside(points) for points, crop in found]

    def skip(self) -> None:
        """The tick is sent without a shape, or not at all."""
        self._encoder.skip()

    def encode(self, number: int, header: PictureHeader, keyframe: Keyframe, all_frames: bool) -> bytes | None:
        """The coded shape of the newest tick, to go with picture ``number``; None if keyframe or tick show no face.

        ``all_frames``: code all five frames, not only the last. If a face is missing in any of them, only
        the last is coded.
        """
        key, end = keyframe.points, self._tick[-1] if self._tick else None
        if key is None or end is None:
            self.skip()
            return None
        known = [points for points in self._tick if points is not None]
        coded = known if all_frames and len(known) == len(self._tick) == BETWEEN + 1 else [end]
        return self._encoder.encode(number, header, coefficients(np.stack(coded) - key))[0]
