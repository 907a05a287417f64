"""The ladder climbs where there is room, and down where there is none."""

from itertools import pairwise

import pytest

from sender.adaptation.ladder import DRAIN, FAILED, GOOD, SETTLE, STEPS, Ladder


def drive(ladder, seconds, start=0.0, loss=0.0, filling=False):
    """Reports every 0.2 s; gives the times at which the step changed."""
    changes = []
    for i in range(round(seconds * 5)):
        now = start + i * 0.2
        if ladder.report(loss, filling, now):
            changes.append((round(now, 1), ladder.at))
    return changes


def test_steps_cost_more_from_one_to_the_next():
    costs = [s.kbps for s in STEPS]
    assert costs == sorted(costs)
    assert 11 < costs[0] < 12.5


@pytest.mark.parametrize(("limit", "highest"), [(0, 0), (12, 0), (20, 2), (1000, len(STEPS) - 1)])
def test_it_climbs_as_far_as_the_limit_lets_it(limit, highest):
    ladder = Ladder(limit)
    drive(ladder, 120)
    assert ladder.at == highest


def test_a_climb_takes_good_seconds():
    changes = drive(Ladder(100), 60)
    assert [at for _, at in changes] == [1, 2, 3, 4, 5]
    assert all(b - a >= GOOD for (a, _), (b, _) in pairwise(changes))


def test_loss_brings_it_down_step_by_step():
    ladder = Ladder(100)
    drive(ladder, 60)
    assert ladder.step.tick_mode == 2
    changes = drive(ladder, 20, start=60, loss=0.2)
    assert [at for _, at in changes] == [4, 3, 2, 1, 0]
    assert all(b - a >= SETTLE for (a, _), (b, _) in pairwise(changes))


def test_a_queue_that_fills_brings_it_down_far_enough_to_empty_it():
    ladder = Ladder(100)
    drive(ladder, 60)
    before = ladder.step.kbps
    (_, at), *_ = drive(ladder, SETTLE, start=60, filling=True)
    assert STEPS[at].kbps <= DRAIN * before < STEPS[at + 1].kbps


def test_a_climb_that_fails_is_tried_less_often():
    """The link carries step 0 alone: each climb fills the queue."""
    ladder, climbs = Ladder(100), []
    for i in range(5 * 300):
        now = i * 0.2
        if ladder.report(0.0, ladder.at > 0, now) and ladder.at == 1:
            climbs.append(now)
    gaps = [round(b - a, 1) for a, b in pairwise(climbs)]
    assert len(climbs) < 6
    assert gaps == sorted(gaps)
    assert gaps[-1] > 3 * gaps[0] > 4 * GOOD


def test_some_loss_holds_the_step():
    ladder = Ladder(100)
    drive(ladder, 12)
    before = ladder.at
    assert drive(ladder, 30, start=12, loss=0.05) == []
    assert ladder.at == before


def test_what_lasted_is_no_failure():
    ladder = Ladder(STEPS[1].kbps)
    drive(ladder, GOOD + FAILED + 3)
    assert ladder.at == 1
    (down, _), *_ = drive(ladder, 1, start=40, loss=0.5)
    (up, _), *_ = drive(ladder, 30, start=41)
    assert up - down < GOOD + SETTLE + 2


def test_a_new_connection_must_be_good_for_a_while_first():
    ladder = Ladder(100)
    drive(ladder, GOOD - 0.5)
    ladder.restarted(GOOD - 0.5)
    assert drive(ladder, GOOD - 0.5, start=GOOD - 0.5) == []


def test_a_step_just_climbed_to_is_not_proven():
    ladder = Ladder(100)
    (up, _), *_ = drive(ladder, GOOD + SETTLE + 1)
    assert ladder.proven(up + 1) == STEPS[0]
    assert ladder.proven(up + GOOD + 1) == STEPS[1]
    drive(ladder, 1, start=up + 4, filling=True)
    assert ladder.proven(up + 5) == STEPS[0]
