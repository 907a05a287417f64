"""The table of the times of a call's steps."""

import pytest

from bench.speed.stages import main, measure, table


def test_every_step_is_measured():
    rows = measure(3, "cpu")
    names = {name for _, _, name, _ in rows}
    assert {"code the picture", "code the speech", "interpolate to 25 FPS", "draw", "take the keyframe in"} <= names
    assert all(ms > 0 for *_, ms in rows)


def test_the_table_sums_milliseconds_a_second_for_sender_and_receiver():
    rows = [("sender", "tick", "a", 2.0), ("receiver", "frame", "b", 10.0), ("receiver", "keyframe", "c", 99.0)]
    assert table(rows).splitlines()[-2:] == ["| sender | **all** | | | **10** |", "| receiver | **all** | | | **250** |"]


def test_an_unknown_device_gives_a_one_line_error(capsys):
    assert main(["--ticks", "1", "--device", "toaster"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit):
        main(["--ticks", "0"])
