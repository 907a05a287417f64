"""The face's points are right in the first picture after the face has jumped to another place."""

import cv2
import numpy as np
import pytest

from models.face.detector import BlazeFace
from models.face.following import PointFollower
from models.face.landmarks import FaceMesh
from models.face.tracker import Tracker


def placed(frame: np.ndarray, x: int, y: int) -> np.ndarray:
    """The frame at 300×300 in a grey picture (480, 640, 3)."""
    picture = np.full((480, 640, 3), 90, np.uint8)
    picture[y : y + 300, x : x + 300] = cv2.resize(frame, (300, 300), interpolation=cv2.INTER_AREA)
    return picture


@pytest.mark.parametrize(("across", "down"), [(80, 0), (-60, -60), (0, 80)])
def test_points_after_a_jump_are_those_of_the_picture_alone(frames: list[np.ndarray], across: int, down: int) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    tracker, follower = Tracker(detector, mesh), PointFollower(detector, mesh)
    places = [(160, 90)] * 3 + [(160 + across, 90 + down)] * 4
    for frame, (x, y) in zip(frames[:7], places, strict=True):
        picture = placed(frame, x, y)
        crop, _ = tracker.update(picture)
        points, alone = follower.see(picture, crop), PointFollower(detector, mesh).see(picture, crop)
        assert points is not None
        assert alone is not None
        assert np.abs(points - alone).mean() < 2, "pixels of a face 150 high"


def test_a_face_that_vanishes_in_a_jump_leaves_no_points(frames: list[np.ndarray]) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    follower = PointFollower(detector, mesh)
    crop = Tracker(detector, mesh).update(placed(frames[0], 160, 90))[0]
    assert follower.see(placed(frames[0], 160, 90), crop) is not None
    assert follower.see(np.full((480, 640, 3), 90, np.uint8), crop) is None
    assert follower.see(placed(frames[1], 160, 90), crop) is not None


class Counting(BlazeFace):
    """A detector that counts its work."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def detect(self, rgb: np.ndarray) -> list:
        self.count += 1
        return super().detect(rgb)


def test_the_detector_is_seldom_needed_while_the_face_moves_as_usual(frames: list[np.ndarray]) -> None:
    detector = Counting()
    follower = PointFollower(detector, FaceMesh())
    assert all(follower.see(frame) is not None for frame in frames)
    assert detector.count <= 1 + len(frames) // 10
