"""Detector, tracker and crop on a real face."""

import cv2
import numpy as np
import pytest

from codec.bundle import Face
from models.face.detector import BlazeFace, Detection
from models.face.landmarks import LEFT_EYE, RIGHT_EYE, FaceMesh, eye_opening, frontality
from models.face.tracker import Crop, Tracker, crop_around


@pytest.fixture(scope="module")
def detector() -> BlazeFace:
    return BlazeFace()


def canvas(frame: np.ndarray, x: int, y: int, width: int = 1000, height: int = 700, side: int = 384) -> np.ndarray:
    """``frame`` enlarged to ``side`` and pasted onto grey at (x, y), cut at the border."""
    out = np.full((height, width, 3), 120, np.uint8)
    face = cv2.resize(frame, (side, side))
    left, top = max(0, -x), max(0, -y)
    face = face[top : min(side, height - y), left : min(side, width - x)]
    out[max(y, 0) : max(y, 0) + face.shape[0], max(x, 0) : max(x, 0) + face.shape[1]] = face
    return out


def test_finds_the_face_where_it_is(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    at_left = detector.detect(canvas(frames[0], 50, 100))[0]
    at_right = detector.detect(canvas(frames[0], 550, 200))[0]
    assert at_right.centre[0] - at_left.centre[0] == pytest.approx(500, abs=15)
    assert at_right.centre[1] - at_left.centre[1] == pytest.approx(100, abs=15)


def test_no_face_is_found_in_stripes(detector: BlazeFace) -> None:
    assert detector.detect(np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (256, 1, 3))) == []


def test_the_tracker_reports_none_many_and_leaving(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    tracker = Tracker(detector)
    assert tracker.update(canvas(frames[0], 300, 150))[1] == Face.TRACKED
    two = canvas(frames[0], 20, 150)
    two[150:534, 560:944] = frames[0]
    assert tracker.update(two)[1] == Face.MANY
    tracker.reset()
    assert tracker.update(canvas(frames[0], -132, 150))[1] == Face.LEAVING
    crop, face = tracker.update(np.full((700, 1000, 3), 120, np.uint8))
    assert face == Face.NONE
    assert crop == tracker.crop


def test_the_crop_stays_still_while_the_face_hardly_moves(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    tracker = Tracker(detector)
    first = tracker.update(canvas(frames[0], 300, 150))[0]
    for i in range(1, 6):
        assert tracker.update(canvas(frames[0], 300 + i, 150))[0] == first
    for _ in range(12):
        last = tracker.update(canvas(frames[0], 400, 150))[0]
    assert last.x - first.x == pytest.approx(100, abs=15)


def test_follows_the_same_person_among_two(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    tracker = Tracker(detector)
    tracker.update(canvas(frames[0], 20, 150))
    two = canvas(frames[0], 20, 150)
    two[100:612, 480:992] = cv2.resize(frames[0], (512, 512))  # a bigger face comes in
    tracker.update(two)
    assert tracker.face.centre[0] < 480


def test_crop_reaching_outside_repeats_the_border() -> None:
    picture = np.arange(100 * 120 * 3, dtype=np.uint32).reshape(100, 120, 3).astype(np.uint8)
    for crop, corner, place in (
        (Crop(-40, -30, 90), (0, 0), np.s_[0, 0]),
        (Crop(80, 60, 90), (-1, -1), np.s_[-1, -1]),
        (Crop(-156, 0, 256), (0, 0), np.s_[0, 0]),
        (Crop(0, 0, 300), (-1, -1), np.s_[-1, -1]),
    ):
        cut = crop.cut(picture)
        assert cut.shape == (256, 256, 3)
        assert (cut[place] == picture[corner]).all()
    assert not Crop(-500, 0, 20).cut(picture).any()  # completely outside


def test_the_crop_is_framed_as_in_training(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    face = detector.detect(frames[0])[0]
    cut = crop_around(face).cut(frames[0])
    again = detector.detect(cut)[0]
    assert again.height / 256 == pytest.approx(0.507, abs=0.05)
    assert again.centre[0] / 256 == pytest.approx(0.5, abs=0.04)


def test_landmarks_are_on_the_face(detector: BlazeFace, frames: list[np.ndarray]) -> None:
    face = detector.detect(frames[0])[0]
    points, sure = FaceMesh().points(frames[0], face)
    assert sure > 0.9
    assert abs(points[:, 0].mean() - face.centre[0]) < 0.1 * face.width
    assert frontality(points) > 0.7
    assert 0.25 < eye_opening(points) < 0.45
    nose = face.points[2]
    assert np.hypot(*(points[1, :2] - nose)) < 0.1 * face.width


def test_eye_opening_is_height_over_width() -> None:
    points = np.zeros((468, 3), np.float32)
    for outer, inner, a, b, c, d in (RIGHT_EYE, LEFT_EYE):
        points[[outer, inner], 0] = 0, 10
        points[[a, b], 1], points[[c, d], 1] = 0, 3
    assert eye_opening(points) == pytest.approx(0.3, abs=1e-3)
    points[:, 1] *= 0.5
    assert eye_opening(points) == pytest.approx(0.15, abs=1e-3)


def test_detection_centre() -> None:
    assert Detection(10, 20, 30, 40, 1.0, np.zeros((6, 2), np.float32)).centre == (25, 40)
