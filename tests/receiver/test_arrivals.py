"""Reports of received and lost bundles."""

import pytest

from codec.bundle import Report
from receiver.arrivals import WINDOW, Arrivals


def heard(numbers, picture=True):
    arrivals = Arrivals()
    for number in numbers:
        arrivals.add(number & 0xFFFF, picture)
    return arrivals


def test_there_is_no_report_before_the_first_picture():
    assert heard([]).report() is None
    assert heard([1, 2, 3], picture=False).report() is None


@pytest.mark.parametrize("start", [0, 65_500])
def test_the_report_has_the_newest_number_and_the_share_lost(start):
    arrivals = heard([start + n for n in range(40) if n % 4])
    assert arrivals.report() == Report((start + 39) & 0xFFFF, round(arrivals.loss * 255))
    assert arrivals.loss == pytest.approx(9 / 39)


def test_duplicates_and_reordering_are_not_losses():
    assert heard([1, 2, 2, 4, 3, 5, 5]).loss == 0
    assert heard([1, 2, 4, 3]).report().newest == 4


def test_old_losses_are_forgotten():
    assert heard([0, *range(20, 20 + WINDOW)]).loss == 0


def test_a_sender_that_restarts_its_numbers_is_followed():
    assert heard([500, 501, 0, 1]).report().newest == 1
