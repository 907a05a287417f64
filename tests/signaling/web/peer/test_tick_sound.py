"""The browser's ticks follow the machine's clock, whatever the microphone does, and lose no sound that comes in time."""

from typing import Any

import numpy as np
import pytest

from tests.signaling.web.peer.conftest import Browser

RATE, TICK, PIECE = 1000, 0.2, 0.02
START, UNTIL = 1.0, 31.0

Pieces = list[tuple[float, float, int]]


def heard(pace: float = 1.0, transit: float = 0.005) -> Pieces:
    """Pieces from a microphone whose clock runs at ``pace`` times the machine's speed."""
    times = np.arange(0.5, UNTIL, PIECE / pace) + PIECE / pace
    return [(float(t + transit), float(t - PIECE), round(PIECE * RATE)) for t in times]


def ticks(browser: Browser, pieces: Pieces, **options: Any) -> list[tuple[float, np.ndarray]]:
    found = browser.ask("tickSound", rate=RATE, tick=TICK, until=UNTIL, **{"hears": True, "busy": None} | options, pieces=pieces)
    return [(tick["end"], np.array(tick["samples"])) for tick in found]


def lateness(found: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """How many seconds late each tick ended."""
    return np.array([end for end, _ in found]) - START - TICK * np.arange(1, len(found) + 1)


def silent(found: list[tuple[float, np.ndarray]]) -> int:
    return int(sum((samples == 0).sum() for _, samples in found))


@pytest.mark.parametrize("pace", [0.9995, 1.0, 1.0005])
def test_a_microphones_clock_is_followed(browser: Browser, pace: float) -> None:
    found = ticks(browser, heard(pace))
    assert len(found) >= 145
    assert silent(found) == 0
    assert np.abs(lateness(found)).max() < 0.06
    samples = np.concatenate([samples for _, samples in found])
    assert np.diff(samples).min() > 0, "samples must be in order"
    assert np.diff(samples).max() < 2.5 / RATE, "no samples may be left out"


def test_missing_sound_delays_no_ticks(browser: Browser) -> None:
    found = ticks(browser, heard(0.87))
    assert lateness(found).max() < 0.3, "the delay may be the clock's drift and half a tick"
    missing = silent(found) / RATE
    assert missing == pytest.approx(0.13 * 30, abs=0.4)


def test_the_delay_of_late_sound_is_removed(browser: Browser) -> None:
    stalled = [(max(at, 10.45) if at > 10 else at, from_, count) for at, from_, count in heard()]
    found = ticks(browser, stalled)
    assert np.abs(lateness(found)).max() <= 0.5 * TICK + 0.03
    assert 0 < silent(found) / RATE < 0.45
    for end, samples in found[-50:]:
        assert end - samples[-1] == pytest.approx(0.025, abs=0.035)


def test_a_short_delay_costs_no_sound(browser: Browser) -> None:
    late = [(at + 0.05 * (int(at * 3) % 2), from_, count) for at, from_, count in heard()]
    found = ticks(browser, sorted(late))
    assert silent(found) == 0


@pytest.mark.parametrize("pieces", [[], heard()], ids=["suspended", "plays"])
@pytest.mark.parametrize("hears", [False, True])
def test_ticks_continue_without_sound(browser: Browser, hears: bool, pieces: Pieces) -> None:
    found = ticks(browser, pieces, hears=hears)
    assert np.diff(lateness(found)[1:]).max() < 0.03
    if not (hears and pieces):
        assert silent(found) == len(found) * round(RATE * TICK)


def test_a_machine_that_slept_continues_at_the_current_time(browser: Browser) -> None:
    found = ticks(browser, [piece for piece in heard() if not 10 < piece[0] < 14], busy=[10, 14])
    ends = np.array([end for end, _ in found])
    assert ((ends > 10.3) & (ends < 13.9)).sum() == 0
    assert ((ends > 13.9) & (ends < 15)).sum() <= 7, "there must be no burst of ticks"
