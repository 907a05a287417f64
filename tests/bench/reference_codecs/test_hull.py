"""The rivals' best quality at each rate, and how rates are compared."""

import math

import numpy as np
import pytest

from bench.reference_codecs.hull import bd_rate, hull, rate_at


def test_the_hull_leaves_out_points_of_higher_rate_or_lower_quality():
    rates, values = [1.0, 2.0, 4.0, 4.0, 8.0, 9.0], [20.0, 20.5, 26.0, 19.0, 28.0, 27.0]
    assert hull(rates, values, True) == [0, 2, 4]
    assert hull(rates, [-v for v in values], False) == [0, 2, 4]


def test_points_without_rate_or_quality_are_left_out():
    assert hull([0.0, 1.0, 2.0], [50.0, 20.0, math.nan], True) == [1]
    assert rate_at([], [], 1.0, True) == math.inf


def test_the_rate_for_a_quality_is_interpolated_between_points_of_the_hull():
    rates, values = [1.0, 4.0], [20.0, 30.0]
    assert rate_at(rates, values, 25.0, True) == pytest.approx(2.0)
    assert rate_at(rates, values, 30.0, True) == pytest.approx(4.0)
    assert rate_at(rates, values, 10.0, True) == 1.0
    assert rate_at(rates, values, 30.1, True) == math.inf
    assert rate_at(rates, [-v for v in values], -25.0, False) == pytest.approx(2.0)


def test_half_the_rate_is_minus_fifty_percent():
    values = [20.0, 23.0, 25.0, 26.0, 28.0]
    rates = np.exp(np.array(values) / 5)
    assert bd_rate((rates, values), (rates / 2, values)) == pytest.approx(-50, abs=1e-6)
    assert bd_rate((rates, values), (rates, values)) == pytest.approx(0, abs=1e-9)
    assert bd_rate((rates, values), (rates * 1.25, values)) == pytest.approx(25, abs=1e-6)
    fewer = rates[[0, 4]], [values[0], values[4]]
    assert bd_rate(fewer, (fewer[0] / 2, fewer[1])) == pytest.approx(-50, abs=1e-6)


def test_curves_without_a_common_quality_have_no_difference():
    assert math.isnan(bd_rate(([1, 2, 3], [1, 2, 3]), ([1, 2, 3], [4, 5, 6])))
    assert math.isnan(bd_rate(([1], [1]), ([1, 2], [1, 2])))
