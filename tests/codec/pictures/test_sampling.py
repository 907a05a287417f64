"""codec.pictures.sampling: exact means, and refusal of what cannot be averaged exactly."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import SyntaxLimitError
from codec.pictures.colour import rgb_to_ycbcr
from codec.pictures.sampling import area_average, sample


@given(seed=st.integers(0, 2**32 - 1), bh=st.integers(1, 5), bw=st.integers(1, 5), size=st.sampled_from([1, 3, 8]))
def test_each_pixel_is_the_mean_of_its_block_rounded_half_up(seed: int, bh: int, bw: int, size: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (size * bh, size * bw, 3), np.uint8)
    result = area_average(rgb, size)
    y, x, c = (int(v) for v in np.random.default_rng(seed + 1).integers(0, [size, size, 3]))
    block = rgb[y * bh : (y + 1) * bh, x * bw : (x + 1) * bw, c]
    mean = Fraction(int(block.astype(int).sum()), bh * bw)
    assert abs(int(result[y, x, c]) - mean) <= Fraction(1, 2)
    if mean.denominator == 2:
        assert result[y, x, c] > mean


def test_white_and_pictures_of_the_target_size_are_unchanged() -> None:
    assert (area_average(np.full((256, 256, 3), 255, np.uint8)) == 255).all()
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(area_average(small), small)


def test_sample_averages_in_rgb_then_converts(face: np.ndarray) -> None:
    assert np.array_equal(sample(face), rgb_to_ycbcr(area_average(face)))
    assert sample(face).shape == (8, 8, 3)


@pytest.mark.parametrize("shape", [(0, 8, 3), (8, 0, 3), (9, 8, 3), (8, 12, 3), (8, 8), (8, 8, 4), (2, 8, 8, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SyntaxLimitError, match="cannot area-average"):
        area_average(np.zeros(shape, np.uint8))
    with pytest.raises(SyntaxLimitError):
        area_average(np.zeros((8, 8, 3), np.uint8), 0)
