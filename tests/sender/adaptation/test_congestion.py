"""A filling queue is distinguished from jitter and a slower route; redundant audio is sent against loss, not into a queue."""

import random

import pytest

from sender.adaptation.congestion import AGREE, FORGET, FORGET_TRIP, QUEUE, STALE, QueueWatch
from sender.adaptation.redundancy import PATIENCE, PATIENCE_MAX, SETTLE, Redundancy


def feed(watch, ways, start=0.0):
    return [watch.report(way, start + i * 0.2) for i, way in enumerate(ways)]


def test_a_queue_is_detected_after_several_reports_that_agree():
    told = feed(QueueWatch(), [0.3] * 5 + [0.3 + QUEUE + 0.1] * 5)
    assert told == [False] * (5 + AGREE - 1) + [True] * (5 - AGREE + 1)


def test_jitter_is_not_taken_for_a_queue():
    noise = random.Random(1)
    told = feed(QueueWatch(), [0.6 + noise.uniform(-0.2, 0.2) for _ in range(1000)])
    assert sum(told) <= 20


def test_a_queue_full_from_the_beginning_is_detected_by_the_networks_round_trip():
    watch = QueueWatch()
    watch.restarted(0.0, trip=0.1)
    full = [watch.report(1.8, i * 0.2, trip=1.6) for i in range(10)]
    assert full == [False] * (AGREE - 1) + [True] * (11 - AGREE)
    assert (watch.confirmed, watch.known_empty) == (True, False)
    assert not any(watch.report(0.45, 2 + i * 0.2, trip=0.12) for i in range(5))
    assert (watch.confirmed, watch.known_empty) == (False, True)


def test_a_full_queue_that_loses_checks_is_confirmed_by_a_lower_limit():
    watch = QueueWatch()
    watch.restarted(0.0, trip=0.1)
    for i in range(10):
        watch.report(1.8, i * 0.2, trip=0.26, at_least=0.26 if i < 5 else 1.2)
        assert watch.confirmed == (i >= 5)
    assert not watch.known_empty


def test_a_slower_network_is_not_taken_for_a_queue_for_ever():
    watch = QueueWatch()
    watch.restarted(0.0, trip=0.05)
    told = [watch.report(1.1, i * 0.2, trip=0.6) for i in range(round(FORGET_TRIP * 6))]
    assert told[10]
    assert watch.known_empty
    assert not told[-1]


def test_late_reports_of_a_busy_machine_do_not_confirm_a_queue():
    watch = QueueWatch()
    for i in range(10):
        watch.report(0.3 if i < 5 else 1.5, i * 0.2, trip=0.1 + 0.02 * (i % 2))
    assert (watch.filling, watch.confirmed, watch.known_empty) == (True, False, False)


def test_without_reports_the_networks_round_trip_shows_that_no_queue_fills():
    watch = QueueWatch()
    watch.restarted(10.0, trip=0.1)
    watch.report(None, 10.2, trip=0.1)
    assert not watch.known_empty, "it is too soon to be sure"
    watch.report(None, 10.1 + STALE, trip=0.6)
    assert not watch.known_empty
    watch.report(None, 10.3 + STALE, trip=0.1)
    assert watch.known_empty
    feed(watch, [0.3] * AGREE, start=20.0)
    assert watch.known_empty
    watch.restarted(30.0)
    assert not watch.known_empty


def test_lost_reports_change_nothing():
    watch = QueueWatch()
    feed(watch, [0.3] * 5 + [0.9] * AGREE)
    assert feed(watch, [None] * 3, start=3) == [True] * 3
    assert feed(watch, [0.3], start=4) == [False]


def test_after_a_long_time_without_reports_no_queue_is_assumed():
    watch = QueueWatch()
    assert feed(watch, [0.3] * 5 + [0.9] * AGREE)[-1]
    told = feed(watch, [None] * round(2 * STALE * 5), start=2)
    assert told[0]
    assert not told[-1]


def test_a_slower_route_is_not_taken_for_a_queue_for_ever():
    watch = QueueWatch()
    feed(watch, [0.3] * 5)
    told = feed(watch, [0.9] * round(FORGET * 6), start=1)
    assert told[10]
    assert not told[-1]
    watch.restarted()
    assert not any(feed(watch, [2.0] * 20, start=200))


def drive(redundancy, seconds, loss, filling, start=0.0):
    """Send reports every 0.2 s; ``filling`` depends on whether redundant audio is on. Returns whether it was on at each."""
    return [redundancy.report(loss, filling(redundancy.on), start + i * 0.2) for i in range(round(seconds * 5))]


@pytest.fixture
def redundancy():
    """Redundancy on a connection that has existed for some time."""
    settled = Redundancy()
    assert not any(drive(settled, SETTLE, 0.1, lambda on: False, start=-SETTLE))
    return settled


def test_redundant_audio_is_sent_while_there_is_loss(redundancy):
    assert all(drive(redundancy, 60, 0.05, lambda on: False))
    assert not any(drive(redundancy, 10, 0.0, lambda on: False, start=60))


def test_redundant_audio_that_fills_the_queue_is_tried_more_and_more_rarely(redundancy):
    went = drive(redundancy, 600, 0.1, lambda on: on)
    assert 4 <= sum(went) < 20
    gaps = [i for i, on in enumerate(went) if on]
    assert gaps[-1] - gaps[-2] >= 5 * PATIENCE_MAX
    assert gaps[1] - gaps[0] < 10 * PATIENCE


def test_redundant_audio_waits_until_an_existing_queue_is_empty(redundancy):
    assert not any(drive(redundancy, 5, 0.2, lambda on: True))
    assert not any(drive(redundancy, PATIENCE - 1, 0.2, lambda on: False, start=5))
    assert any(drive(redundancy, 3, 0.2, lambda on: False, start=4 + PATIENCE))


def test_redundant_audio_that_increases_the_loss_is_switched_off(redundancy):
    assert redundancy.report(0.05, False, 0.0)
    assert redundancy.report(0.15, False, 1.0)
    assert not redundancy.report(0.25, False, 2.0)
    assert not redundancy.report(0.25, False, 2.0 + PATIENCE - 0.1)
    assert redundancy.report(0.25, False, 2.0 + PATIENCE)


def test_a_new_connection_starts_without_redundant_audio(redundancy):
    assert all(drive(redundancy, 5, 0.1, lambda on: False))
    redundancy.restarted()
    went = drive(redundancy, SETTLE + 1, 0.1, lambda on: False, start=5)
    assert went == [False] * round(SETTLE * 5) + [True] * 5
