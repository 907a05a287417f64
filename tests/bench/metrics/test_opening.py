"""Whether lips and lids open with the original's, on the shipped clip's frames."""

import math

import numpy as np
import pytest

from bench.metrics.landmarks import Landmarks
from bench.metrics.opening import Openings, correlation, lips_opening


@pytest.fixture(scope="module")
def openings():
    return Openings(Landmarks())


def test_correlation():
    assert correlation([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert math.isnan(correlation([1, 2], [1, 2]))
    assert math.isnan(correlation([1, 2, 3], [5, 5, 5]))


def test_the_same_frames_follow_wholly_and_a_still_one_not_at_all(openings, faces):
    run = faces[::3]
    found = openings.judge(run, {"same": run, "still": [run[0]] * len(run), "backwards": run[::-1]})
    assert found["same"] == pytest.approx({"lips_follow": 1, "lids_follow": 1})
    # The mesh looks within the original's box, which moves a little: what it sees of a still picture is not quite still.
    assert not found["still"]["lips_follow"] > 0.7
    assert found["backwards"]["lips_follow"] < 0.9


def test_frames_without_a_face_are_left_out(openings, faces):
    blank = np.full_like(faces[0], 90)
    run = [blank, *faces[:20:4], blank]
    assert openings.judge(run, {"same": run})["same"]["lips_follow"] == pytest.approx(1)
    assert math.isnan(openings.judge([blank] * 4, {"same": [blank] * 4})["same"]["lips_follow"])


def test_an_open_mouth_measures_wider(faces):
    points = np.zeros((468, 2), np.float32)
    points[33], points[263], points[13], points[14] = (80, 100), (180, 100), (130, 180), (130, 205)
    assert lips_opening(points) == pytest.approx(0.25)


def test_a_torn_face_is_broken(faces):
    landmarks, frame = Landmarks(), faces[0]
    face = landmarks.find(frame)
    assert landmarks.judge(frame, face)["broken"] == 0
    assert landmarks.judge(np.full_like(frame, 90), face)["broken"] == 1
    assert landmarks.judge(np.roll(frame, 70, 1), face)["broken"] == 1
    assert landmarks.judge(np.roll(frame, 2, 1), face)["broken"] == 0
