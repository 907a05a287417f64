"""The playout clock with simulated arrivals, without network and real time."""

import random

import pytest

from receiver.playout_delay import MARGIN_MAX, PlayoutClock


def run(
    clock: PlayoutClock, count: int, jitter: float, start: int = 0, transit: float = 0.05, seed: int = 1
) -> tuple[int, float]:
    """Simulate ``count`` ticks with transit + up to ``jitter`` seconds; returns (late bundles, last delay in seconds)."""
    rng, late = random.Random(seed), 0
    for i in range(start, start + count):
        now = (i + 1) * 0.2 + transit + rng.random() * jitter
        missed = 0.0
        if clock.started and now > clock.due(i * 0.2) - clock.lead:
            late += 1
            missed = now - clock.due(i * 0.2)
        clock.arrived((i + 1) * 0.2, now)
        clock.move(clock.change(0.2, max(0.0, missed)))
    return late, clock.due(0.0)


def test_steady_arrivals_give_the_least_delay() -> None:
    late, delay = run(PlayoutClock(), 100, 0.0)
    assert late == 0
    assert delay == pytest.approx(0.2 + 0.05 + 0.010 + 0.03, abs=0.005)


def test_delay_follows_jitter_up_and_down_again() -> None:
    clock = PlayoutClock()
    _, calm = run(clock, 60, 0.0)
    _, rough = run(clock, 100, 0.12, start=60)
    late, _ = run(clock, 100, 0.12, start=160, seed=2)
    _, again = run(clock, 200, 0.0, start=260)
    assert rough > calm + 0.06
    assert late <= 8
    assert again == pytest.approx(calm, abs=0.01)


def test_a_change_is_limited_to_a_share_of_a_tick_and_small_ones_are_skipped() -> None:
    clock = PlayoutClock()
    run(clock, 60, 0.0)
    clock.lead += 0.003
    assert clock.change(0.2) == 0.0
    clock.lead += 0.1
    assert clock.change(0.2) == pytest.approx(0.02)
    assert clock.change(0.06) == pytest.approx(-0.006)  # a shorter tick needs less delay
    assert clock.change(0.2, late=0.3) == pytest.approx(0.103, abs=0.002)
    before = clock.due(0.0)
    clock.move(-0.01)
    assert clock.due(0.0) == pytest.approx(before - 0.01)


def test_margin_is_bounded() -> None:
    clock = PlayoutClock()
    run(clock, 60, 5.0)
    assert clock.margin == MARGIN_MAX


def test_nothing_is_due_before_the_first_arrival() -> None:
    with pytest.raises(RuntimeError, match="nothing"):
        PlayoutClock().due(0)


def test_reset_forgets_all_arrivals() -> None:
    clock = PlayoutClock()
    run(clock, 20, 0.1)
    clock.reset()
    assert not clock.started
    assert run(clock, 60, 0.0)[0] == 0
