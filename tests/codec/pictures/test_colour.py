"""codec.pictures.colour against the real-valued formulas of JFIF (ITU-T T.871, section 7)."""

import numpy as np
import pytest

from codec.pictures.colour import rgb_to_ycbcr, ycbcr_to_rgb

CUBE = np.stack(np.meshgrid(*[np.array([*range(0, 256, 15)])] * 3, indexing="ij"), axis=-1).astype(np.uint8)


def test_forward_is_the_jfif_formula_rounded() -> None:
    r, g, b = (CUBE[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    exact = np.stack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402], axis=-1)
    assert np.abs(rgb_to_ycbcr(CUBE) - np.clip(exact, 0, 255)).max() <= 0.51


def test_inverse_is_the_jfif_formula_rounded_and_clipped() -> None:
    y, cb, cr = (CUBE[..., i].astype(float) for i in range(3))
    exact = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    assert np.abs(ycbcr_to_rgb(CUBE) - np.clip(np.stack(exact, axis=-1), 0, 255)).max() <= 0.51


def test_greys_have_no_chroma_and_round_trip_exactly() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    coded = rgb_to_ycbcr(greys)
    assert np.array_equal(coded[:, 0], greys[:, 0])
    assert (coded[:, 1:] == 128).all()
    assert np.array_equal(ycbcr_to_rgb(coded), greys)


def test_a_round_trip_loses_at_most_two_levels() -> None:
    assert np.abs(ycbcr_to_rgb(rgb_to_ycbcr(CUBE)).astype(int) - CUBE).max() <= 2


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [((255, 0, 0), (76, 85, 255)), ((0, 255, 0), (150, 44, 21)), ((0, 0, 255), (29, 255, 107)), ((12, 200, 99), (132, 109, 42))],
)
def test_pinned_values(rgb: tuple[int, int, int], ycbcr: tuple[int, int, int]) -> None:
    """Every machine must compute these values; the first and third clip at 255."""
    assert tuple(rgb_to_ycbcr(np.array(rgb, np.uint8)).tolist()) == ycbcr
