"""The ladder climbs while there is bandwidth, and steps down when there is not."""

from itertools import pairwise

import pytest

from sender.adaptation.ladder import DRAIN, FAILED, GOOD, GOOD_MAX, SETTLE, STEPS, USUAL, Ladder


def drive(ladder, seconds, start=0.0, loss=0.0, filling=False):
    """Send reports every 0.2 s; returns (time, step) for each change."""
    changes = []
    for i in range(round(seconds * 5)):
        now = start + i * 0.2
        if ladder.report(loss, filling, now):
            changes.append((round(now, 1), ladder.at))
    return changes


def test_each_step_costs_more_than_the_one_before():
    costs = [s.kbps for s in STEPS]
    assert costs == sorted(costs)
    assert 11 < costs[USUAL] < 12.5
    assert costs[0] < 10


@pytest.mark.parametrize(("limit", "highest"), [(0, USUAL), (12, USUAL), (20, 3), (1000, len(STEPS) - 1)])
def test_the_ladder_climbs_as_far_as_the_limit_allows(limit, highest):
    ladder = Ladder(limit)
    drive(ladder, 120)
    assert ladder.at == highest


def test_each_climb_needs_some_good_seconds():
    changes = drive(Ladder(100), 60)
    assert [at for _, at in changes] == [2, 3, 4, 5, 6]
    assert all(b - a >= GOOD for (a, _), (b, _) in pairwise(changes))


def test_loss_steps_down_one_step_at_a_time():
    ladder = Ladder(100)
    drive(ladder, 60)
    assert ladder.step.tick_mode == 2
    changes = drive(ladder, 20, start=60, loss=0.2)
    assert [at for _, at in changes] == [5, 4, 3, 2, USUAL]
    assert all(b - a >= SETTLE for (a, _), (b, _) in pairwise(changes))


def test_a_filling_queue_steps_down_far_enough_to_empty_it():
    ladder = Ladder(100)
    drive(ladder, 60)
    before = ladder.step.kbps
    (_, at), *_ = drive(ladder, SETTLE, start=60, filling=True)
    assert STEPS[at].kbps <= DRAIN * before < STEPS[at + 1].kbps


def test_a_climb_that_fails_is_tried_more_rarely():
    """The link carries only the usual step: each climb fills the queue."""
    ladder, climbs = Ladder(100), []
    for i in range(5 * 300):
        now = i * 0.2
        if ladder.report(0.0, ladder.at > USUAL, now) and ladder.at > USUAL:
            climbs.append(now)
    gaps = [round(b - a, 1) for a, b in pairwise(climbs)]
    assert len(climbs) < 6
    assert gaps == sorted(gaps)
    assert gaps[-1] > 3 * gaps[0] > 4 * GOOD


def test_moderate_loss_keeps_the_step():
    ladder = Ladder(100)
    drive(ladder, 12)
    before = ladder.at
    assert drive(ladder, 30, start=12, loss=0.05) == []
    assert ladder.at == before


def test_a_step_that_lasted_is_not_counted_as_a_failed_climb():
    ladder = Ladder(STEPS[USUAL + 1].kbps)
    drive(ladder, GOOD + FAILED + 3)
    assert ladder.at == USUAL + 1
    (down, _), *_ = drive(ladder, 1, start=40, loss=0.5)
    (up, _), *_ = drive(ladder, 30, start=41)
    assert up - down < GOOD + SETTLE + 2


def test_a_new_connection_must_be_good_for_some_time_before_a_climb():
    ladder = Ladder(100)
    drive(ladder, GOOD - 0.5)
    ladder.restarted(GOOD - 0.5)
    assert drive(ladder, GOOD - 0.5, start=GOOD - 0.5) == []


def test_a_new_step_is_not_proven_at_once():
    ladder = Ladder(100)
    (up, _), *_ = drive(ladder, GOOD + SETTLE + 1)
    assert ladder.proven(up + 1) == STEPS[USUAL]
    assert ladder.proven(up + GOOD + 1) == STEPS[USUAL + 1]
    drive(ladder, 1, start=up + 4, filling=True)
    assert ladder.proven(up + 5) == STEPS[USUAL]


def thin(ladder, seconds, start=0.0, **report):
    """As :func:`drive`, with a filling queue; returns only the steps."""
    return [ladder.at for i in range(round(seconds * 5)) if ladder.report(0.0, True, start + i * 0.2, **report)]


def test_below_the_usual_step_bundles_are_paired_if_the_peer_accepts_pairs():
    ladder = Ladder()
    assert thin(ladder, 10, confirmed=True, known_empty=False) == []
    ladder.takes_pairs(True)
    assert thin(ladder, 10, start=10, confirmed=True, known_empty=False) == [0]
    assert ladder.step.paired
    ladder.takes_pairs(False)
    assert ladder.step == STEPS[USUAL]


def test_a_new_connection_starts_at_the_usual_step():
    ladder = Ladder()
    ladder.takes_pairs(True)
    thin(ladder, 60, confirmed=True, known_empty=False)
    assert ladder.at == 0
    ladder.restarted(60.0)
    assert ladder.step == STEPS[USUAL]


def test_neither_a_busy_machine_nor_loss_leads_to_pairs():
    ladder = Ladder()
    ladder.takes_pairs(True)
    assert thin(ladder, 20, confirmed=False, known_empty=False) == []
    assert drive(ladder, 20, start=20, loss=0.5) == []


def test_pairs_are_kept_until_the_queue_is_known_to_be_empty_despite_loss():
    ladder = Ladder()
    ladder.takes_pairs(True)
    thin(ladder, 5, confirmed=True, known_empty=False)
    for i in range(200):
        assert not ladder.report(0.0, False, 5 + i * 0.2, known_empty=False)  # nothing is known
    (up, at), *_ = drive(ladder, 20, start=50, loss=0.3)
    assert (at, up < 50 + GOOD + 1) == (USUAL, True)


def test_the_usual_step_is_tried_rarely_on_a_link_that_cannot_carry_it():
    ladder, climbs = Ladder(), 0
    ladder.takes_pairs(True)
    for i in range(5 * 600):
        full = ladder.at == USUAL
        climbs += ladder.report(0.0, full, i * 0.2, confirmed=full, known_empty=not full) and ladder.at == USUAL
    assert 2 < climbs < 600 / GOOD_MAX + 4
