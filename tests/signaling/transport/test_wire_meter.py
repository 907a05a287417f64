"""Round trips measured from requests that are repeated."""

import pytest

from signaling.transport.wire_meter import ASKED, LIKELY, Pings


def pings(*events):
    found = Pings()
    for name, kind, at in events:
        (found.asked if kind == "?" else found.answered)(name, at)
    return found.round_trip


def test_the_round_trip_of_one_request_and_its_answer():
    assert pings() == 0.0
    assert pings((b"a", "?", 1.0)) == 0.0
    assert pings((b"a", "?", 1.0), (b"a", "!", 1.2)) == pytest.approx(0.2)


def test_a_round_trip_longer_than_the_repeat_interval_is_known_once_all_answers_are():
    asked = [(b"a", "?", 1.0), (b"a", "?", 1.1), (b"a", "?", 1.3)]
    first = (b"a", "!", 1.25)
    assert pings(*asked[:2], first, asked[2]) == LIKELY
    assert pings(*asked[:2], first, asked[2], (b"a", "!", 1.35), (b"a", "!", 1.55)) == pytest.approx(0.25)


def test_after_a_loss_the_likely_round_trip_is_used_until_a_request_is_answered():
    events = [(b"a", "?", 1.0), (b"a", "?", 1.1), (b"a", "!", 1.14)]
    assert pings(*events) == LIKELY
    assert pings(*events, (b"b", "?", 2.0), (b"b", "!", 2.12)) == pytest.approx(0.12)


def test_the_newest_round_trip_is_known_once_all_answers_have_arrived():
    found = Pings()
    assert found.newest == 0.0
    found.asked(b"a", 1.0)
    found.answered(b"a", 1.1)
    found.asked(b"b", 5.0)
    found.asked(b"b", 5.5)  # repeated: the first was lost, or is held in a queue
    found.answered(b"b", 6.2)
    assert found.newest == pytest.approx(0.1)
    found.answered(b"b", 6.7)
    assert (found.newest, found.round_trip) == (pytest.approx(1.2), pytest.approx(0.1))


def test_where_copies_are_lost_an_answer_gives_a_lower_limit():
    found = Pings()
    found.asked(b"a", 1.0)
    found.answered(b"a", 1.1)
    assert found.at_least == pytest.approx(0.1)
    for at in (5.0, 5.4, 5.8):  # the second of them is lost
        found.asked(b"b", at)
    found.answered(b"b", 6.6)
    assert (found.newest, found.at_least) == (pytest.approx(0.1), pytest.approx(0.8))
    found.answered(b"b", 7.4)
    assert (found.newest, found.at_least) == (pytest.approx(0.1), pytest.approx(1.6))
    found.asked(b"c", 14.0)
    found.answered(b"c", 14.2)
    assert (found.newest, found.at_least) == (pytest.approx(0.2), pytest.approx(0.2))


def test_unexpected_answers_and_too_many_requests_do_no_harm():
    assert pings((b"x", "!", 1.0)) == 0.0
    assert pings((b"a", "?", 1.0), (b"a", "!", 1.2), (b"a", "!", 1.21), (b"a", "!", 1.22)) == pytest.approx(0.2)
    found = Pings()
    for number in range(1000):
        found.asked(number.to_bytes(2, "big"), 1.0)
    assert len(found._asked) == ASKED
