"""The shape's coder: the decoder gets exactly the encoder's values, which are within a step of the
input; broken input is a typed error or decodes to a valid shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import CodecError, SyntaxLimitError
from codec.pictures.header import PictureHeader
from codec.shape.basis import BASIS, COEFFICIENTS, POINTS, SCALE, coefficients, movements
from codec.shape.probabilities import ZERO
from codec.shape.shape import ShapeDecoder, ShapeEncoder, frames_of, interpolate
from codec.shape.syntax import BETWEEN, CONTEXTS, LARGEST, STEPS


def wander(seed: int, ticks: int, speed: float = 15.0) -> np.ndarray:
    """Coefficients (ticks, 5, 16) of a face that moves."""
    steps = np.random.default_rng(seed).normal(0, speed, (ticks * 5, COEFFICIENTS)) / np.arange(1, COEFFICIENTS + 1)
    return np.cumsum(steps, 0).reshape(ticks, 5, COEFFICIENTS).astype(np.float32)


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("back", [1, 3])
def test_encoder_and_decoder_have_the_same_values(step, back):
    encoder, decoder, before = ShapeEncoder(step), ShapeDecoder(), None
    for number, frames in enumerate(wander(step, 12)):
        header = PictureHeader(back if number >= back else 0, slot=2)
        data, made = encoder.encode(number, header, frames)
        found = decoder.decode(number, header, data)
        assert found.slot == made.slot == 2
        assert np.array_equal(found.end, made.end)
        assert np.array_equal(found.between, made.between)
        assert np.abs(found.end - frames[-1]).max() <= 0.55 * STEPS[step] + 0.01
        shown = frames_of(found, before, 5)
        assert np.abs(shown - frames).max() <= 0.75 * STEPS[step] + 0.51 or before is None
        before = found


def test_a_still_face_takes_at_most_two_bytes():
    encoder, frames = ShapeEncoder(), np.zeros((5, COEFFICIENTS), np.float32)
    sizes = [len(encoder.encode(n, PictureHeader(int(n > 0)), frames)[0]) for n in range(4)]
    assert max(sizes) <= 2


def test_a_lost_tick_does_not_affect_later_ones():
    """Only acknowledged ticks are references, so a decoder that lacks the other ticks decodes the same values."""
    encoder, whole, lossy = ShapeEncoder(), ShapeDecoder(), ShapeDecoder()
    for number, frames in enumerate(wander(3, 12)):
        header = PictureHeader(number % 4 if number >= 4 else 0)  # every fourth tick is acknowledged
        data, made = encoder.encode(number, header, frames)
        whole.decode(number, header, data)
        if number % 4 in (0, 2):
            assert np.array_equal(lossy.decode(number, header, data).end, made.end)


def test_a_new_keyframe_starts_without_a_reference():
    encoder, decoder = ShapeEncoder(), ShapeDecoder()
    first, second = wander(5, 2)
    for number, slot, frames in ((0, 1, first), (1, 4, second)):
        header = PictureHeader(number, slot)
        data, made = encoder.encode(number, header, frames)
        found = decoder.decode(number, header, data)
        assert np.array_equal(found.end, made.end)
    # Coded relative to zeros: a decoder that never had the first decodes the same values.
    assert np.array_equal(ShapeDecoder().decode(1, header, data).end, made.end)
    assert np.array_equal(frames_of(found, decoder.decode(1, PictureHeader(0, 1), data), 3)[0], found.end)


def test_a_shape_of_a_single_frame():
    encoder, decoder = ShapeEncoder(), ShapeDecoder()
    data, made = encoder.encode(7, PictureHeader(), wander(1, 1)[0][-1:])
    found = decoder.decode(7, PictureHeader(), data)
    assert found.between.shape == (0, COEFFICIENTS)
    assert np.array_equal(frames_of(found, None, 3), np.repeat(made.end[None], 3, 0))


def test_interpolation_is_linear_and_reaches_the_end():
    way = interpolate(np.array([0, -7]), np.array([10, 3]))
    assert way[:, 0].tolist() == [2, 4, 6, 8, 10]
    assert way[:, 1].tolist() == [-5, -3, -1, 1, 3]


def test_bundle_numbers_wrap():
    encoder, decoder = ShapeEncoder(), ShapeDecoder()
    for i, frames in enumerate(wander(9, 100)):
        number = (65500 + i) & 0xFFFF
        header = PictureHeader(int(i > 0))
        data, made = encoder.encode(number, header, frames)
        assert np.array_equal(decoder.decode(number, header, data).end, made.end)


@pytest.mark.parametrize("shape", [(5, 15), (4, 16), (0, 16), (16,)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(SyntaxLimitError):
        ShapeEncoder().encode(0, PictureHeader(), np.zeros(shape, np.float32))


def test_nan_is_refused_and_extreme_values_are_clipped():
    frames = np.full((1, COEFFICIENTS), np.nan, np.float32)
    with pytest.raises(SyntaxLimitError):
        ShapeEncoder().encode(0, PictureHeader(), frames)
    data, made = ShapeEncoder(0).encode(0, PictureHeader(), np.full((5, COEFFICIENTS), 1e9, np.float32))
    assert np.array_equal(ShapeDecoder().decode(0, PictureHeader(), data).end, made.end)
    assert made.end.max() <= LARGEST
    with pytest.raises(SyntaxLimitError):
        ShapeEncoder(len(STEPS))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 65535), st.integers(0, 15))
def test_any_bytes_are_a_shape_or_a_typed_error(data, number, distance):
    decoder = ShapeDecoder()
    try:
        found = decoder.decode(number, PictureHeader(distance), data)
    except CodecError:
        return
    assert np.abs(found.end).max() <= LARGEST
    assert len(found.between) in (0, BETWEEN)
    assert np.isfinite(movements(frames_of(found, None, 5))).all()


def test_data_over_the_limit_is_refused():
    with pytest.raises(SyntaxLimitError):
        ShapeDecoder().decode(0, PictureHeader(), bytes(1276))


def test_memory_stays_small():
    decoder, rng = ShapeDecoder(), np.random.default_rng(0)
    for number in rng.integers(0, 65536, 3000).tolist():
        decoder.decode(number, PictureHeader(), b"\x10\x20")
    assert len(decoder._held._ends) <= 64


def test_the_basis_converts_coefficients_to_movements_and_back():
    assert BASIS.shape == (COEFFICIENTS, 2 * POINTS)
    values = np.random.default_rng(2).integers(-60, 60, (7, COEFFICIENTS))
    moved = movements(values)
    assert moved.shape == (7, POINTS, 2)
    assert np.abs(coefficients(moved) - values).max() < 0.7
    assert np.allclose(movements(np.eye(COEFFICIENTS, dtype=int) * SCALE).reshape(COEFFICIENTS, -1), BASIS)


def test_every_context_has_a_probability():
    assert len(ZERO) == CONTEXTS
    assert all(0 < p < 1 << 15 for p in ZERO)
