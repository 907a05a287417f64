"""The browser sends its bundles midway between the peer's bundles."""

import pytest

from tests.signaling.web.peer.conftest import Browser

TICK = 0.2
PATIENCE = 0.6


@pytest.mark.parametrize("trip", [0, 0.02, 0.049, 0.05, 0.075, 0.1, 0.13, 0.31, 1.7])
def test_both_peers_send_equally_long_after_the_others_bundle_arrives(browser: Browser, trip: float) -> None:
    ours_after_theirs = browser.ask("lag", tick=TICK, trip=trip)
    theirs_after_ours = -(2 * trip + ours_after_theirs) % TICK
    assert ours_after_theirs == pytest.approx(theirs_after_ours)
    assert TICK / 4 - 1e-9 <= ours_after_theirs < TICK * 3 / 4


def wait(browser: Browser, heard: list[tuple[float, float]], start: float) -> float:
    found: float = browser.ask("phase", heard=[{"at": at, "trip": trip} for at, trip in heard], start=start, tick=TICK)
    return found


@pytest.mark.parametrize("start", [1.0, 1.05, 1.099, 1.11, 1.25, 3.33])
def test_the_first_tick_starts_midway_between_two_bundles_of_the_peer(browser: Browser, start: float) -> None:
    ended = wait(browser, [(1.0, 0.0)], start)
    assert 0 <= ended - start < TICK + 1e-6
    assert (ended - 1.0) % TICK == pytest.approx(TICK / 2)


def test_the_newest_bundle_counts(browser: Browser) -> None:
    assert wait(browser, [(1.0, 0.0), (1.23, 0.0)], 1.24) == pytest.approx(1.33)


def test_the_peers_first_bundle_is_waited_for(browser: Browser) -> None:
    assert wait(browser, [(1.4, 0.0)], 1.0) == pytest.approx(1.5)


def test_a_peer_that_sends_nothing_is_not_waited_for_long(browser: Browser) -> None:
    assert wait(browser, [], 1.0) == pytest.approx(1.0 + PATIENCE)
    assert wait(browser, [(5.0, 0.0)], 1.0) == pytest.approx(1.0 + PATIENCE)
