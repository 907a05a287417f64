"""Judged frames: they take every position between two sent pictures in turn."""

from collections import Counter

import pytest

from bench.picture.judged_frames import sampled


def test_every_frame_or_every_seventh_is_judged():
    assert sampled(3, 1) == [0, 1, 2]
    assert sampled(24, 7) == [3, 10, 17]


@pytest.mark.parametrize("every", [10, 12, 20, 25, 50, 125])
def test_every_position_is_judged_equally_often(every):
    found = sampled(every * 20, every)
    assert len(found) == 20
    assert set(Counter(n % 10 for n in found).values()) == {2}
    assert all(i * every <= n < (i + 1) * every for i, n in enumerate(found))


@pytest.mark.parametrize("every", [10, 25, 50])
def test_a_short_clip_has_at_least_one_judged_frame_and_none_twice(every):
    for frames in range(1, 120):
        found = sampled(frames, every)
        assert found
        assert found == sorted(set(found))
        assert 0 <= found[0] <= found[-1] < frames
