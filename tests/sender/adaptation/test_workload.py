"""When the sender analyses only the last picture of each tick."""

from sender.adaptation.workload import LATE, PATIENCE, PATIENCE_MAX, TICKS, Workload

TICK = 0.2


def play(load: Workload, late: list[float], now: float) -> list[bool]:
    return [load.sent(seconds, now + i * TICK) for i, seconds in enumerate(late)]


def test_one_late_tick_changes_nothing() -> None:
    assert all(play(Workload(), [0.03, 0.5, 0.03] * 20, 100.0))


def test_several_late_ticks_in_a_row_reduce_the_work() -> None:
    found = play(Workload(), [LATE * 1.1] * 8, 100.0)
    assert found == [True] * (TICKS - 1) + [False] * (9 - TICKS)


def test_all_pictures_are_tried_again_more_and_more_rarely_if_that_fails() -> None:
    load, now, tries = Workload(), 100.0, []
    began = None
    while len(tries) < 6:
        every = load.sent(0.03 if not load.every_frame else 0.3, now)  # too slow for all pictures, fast enough for one
        if every and began is not None:
            tries.append(now - began)
        began = None if every else began or now
        now += TICK
    waits = [min(PATIENCE_MAX, PATIENCE * 2**i) for i in range(6)]
    assert all(0 <= wait - least < 3 * TICK for wait, least in zip(tries, waits, strict=True))


def test_while_the_machine_is_behind_all_pictures_are_not_tried() -> None:
    load = Workload()
    assert not any(play(load, [0.4] * 600, 100.0)[TICKS:])
    assert play(load, [0.03], 400.0) == [True]
