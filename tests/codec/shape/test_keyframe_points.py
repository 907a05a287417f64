"""codec.shape.keyframe_points: a keyframe's points are coded in quarter pixels; bad input is a typed error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import KeyframeError, SyntaxLimitError
from codec.keyframe import encode_keyframe, parse_keyframe
from codec.shape.basis import POINTS
from codec.shape.keyframe_points import SIZE, pack_points, parse_points


def test_points_round_trip_to_a_quarter_of_a_pixel():
    points = np.random.default_rng(0).uniform(0, 255.75, (POINTS, 2)).astype(np.float32)
    data = pack_points(points)
    assert len(data) == SIZE == 135
    assert np.abs(parse_points(data) - points).max() <= 0.125
    assert pack_points(parse_points(data)) == data


def test_the_bits_are_those_of_the_specification():
    points = np.zeros((POINTS, 2), np.float32)
    points[0] = 255.75, 0.25  # 11 1111 1111 and 00 0000 0001
    assert pack_points(points)[:3].hex() == "ffc010"
    points[0] = -40, 900  # outside the picture: clipped to its edge
    assert parse_points(pack_points(points))[0].tolist() == [0, 255.75]


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_any_bytes_of_the_right_length_are_points_in_the_picture(data):
    points = parse_points(data)
    assert points.shape == (POINTS, 2)
    assert points.min() >= 0
    assert points.max() < 256
    assert pack_points(points) == data


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1])
def test_another_length_is_refused(size):
    with pytest.raises(SyntaxLimitError, match="135"):
        parse_points(bytes(size))


@pytest.mark.parametrize("points", [np.zeros((POINTS, 3)), np.zeros((53, 2)), np.full((POINTS, 2), np.nan)])
def test_arrays_that_are_not_points_are_refused(points):
    with pytest.raises(SyntaxLimitError):
        pack_points(points.astype(np.float32))


def test_a_keyframe_has_points_or_none(face):
    points = np.random.default_rng(1).integers(0, 1023, (POINTS, 2)).astype(np.float32) / 4
    told, untold = encode_keyframe(face, form="webp", points=points), encode_keyframe(face, form="webp")
    assert np.array_equal(parse_keyframe(told.data).points, points)
    assert untold.points is None
    assert len(told.data) == len(untold.data) + SIZE
    assert told.digest != untold.digest
    at = untold.data.index(b"RIFF") - 1
    assert untold.data[at] == 0
    with pytest.raises(KeyframeError, match="135"):
        parse_keyframe(untold.data[:at] + b"\x03abc" + untold.data[at + 1 :])
