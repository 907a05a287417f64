"""Consistency is high for a frame that agrees with the sent picture, whatever its detail, and low for others."""

import numpy as np
import pytest

from receiver.consistency import BEST_DB, RECENT, ConsistencyMeter, consistency_db

PICTURE = np.random.default_rng(1).uniform(0.1, 0.9, (3, 8, 8)).astype(np.float32)


def enlarged(picture, noise=0.0):
    rgb = np.kron(picture, np.ones((1, 32, 32))).transpose(1, 2, 0) * 255
    detail = np.tile([[-noise, noise], [noise, -noise]], (128, 128))[..., None]
    return np.clip(np.rint(rgb + detail), 0, 255).astype(np.uint8)


def test_detail_does_not_count_and_colours_do():
    assert consistency_db(enlarged(PICTURE), PICTURE) > 55
    assert consistency_db(enlarged(PICTURE, 20), PICTURE) > 55
    off = np.clip(enlarged(PICTURE).astype(int) + 10, 0, 255).astype(np.uint8)
    assert consistency_db(off, PICTURE) == pytest.approx(20 * np.log10(255 / 10), abs=0.5)
    assert consistency_db(enlarged(PICTURE)[:, ::-1], PICTURE) < 20


def test_equal_pictures_have_the_highest_value():
    assert consistency_db(np.full((256, 256, 3), 51, np.uint8), np.full((3, 8, 8), 0.2, np.float32)) == BEST_DB


def test_the_meter_keeps_the_last_two_seconds_and_the_lowest_value():
    meter = ConsistencyMeter()
    assert meter.now_db is meter.worst_db is meter.mean_db is meter.lowest_db is None
    bad, good = enlarged(PICTURE)[:, ::-1], enlarged(PICTURE)
    low, high = meter.update(bad, PICTURE), meter.update(good, PICTURE)
    assert (meter.now_db, meter.worst_db, meter.lowest_db) == (high, low, low)
    assert meter.mean_db == pytest.approx((low + high) / 2)
    for _ in range(RECENT):
        meter.update(good, PICTURE)
    assert (meter.worst_db, meter.lowest_db) == (high, low)
