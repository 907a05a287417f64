"""Whether lips and lids open together with the original's, on frames of the shipped clip."""

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


def test_identical_frames_follow_fully_and_a_still_frame_does_not(openings, faces):
    run = faces[::3]
    found = openings.judge(run, {"same": run, "still": [run[0]] * len(run), "backwards": run[::-1]})
    assert found["same"] == pytest.approx({"lips_follow": 1, "lids_follow": 1})
    # The mesh uses the original's box, which moves a little, so its points on a still picture move a little as well.
    assert not found["still"]["lips_follow"] > 0.7
    assert found["backwards"]["lips_follow"] < 0.9


def test_frames_without_a_face_are_left_out(openings, faces):
    blank = np.full_like(faces[0], 90)
    run = [blank, *faces[:20:4], blank]
    assert openings.judge(run, {"same": run})["same"]["lips_follow"] == pytest.approx(1)
    assert math.isnan(openings.judge([blank] * 4, {"same": [blank] * 4})["same"]["lips_follow"])


def test_the_lip_opening_is_relative_to_the_distance_of_the_eyes(faces):
    points = np.zeros((468, 2), np.float32)
    points[33], points[263], points[13], points[14] = (80, 100), (180, 100), (130, 180), (130, 205)
    assert lips_opening(points) == pytest.approx(0.25)


def test_a_missing_or_far_shifted_face_counts_as_broken(faces):
    landmarks, frame = Landmarks(), faces[0]
    face = landmarks.find(frame)
    assert landmarks.judge(frame, face)["broken"] == 0
    assert landmarks.judge(np.full_like(frame, 90), face)["broken"] == 1
    assert landmarks.judge(np.roll(frame, 70, 1), face)["broken"] == 1
    assert landmarks.judge(np.roll(frame, 2, 1), face)["broken"] == 0
