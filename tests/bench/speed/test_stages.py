"""The table of what a call's steps take."""

import pytest

from bench.speed.stages import main, measure, table


def test_every_step_is_measured():
    rows = measure(3, "cpu")
    names = {name for _, _, name, _ in rows}
    assert {"code the picture", "code the speech", "interpolate to 25 FPS", "draw", "take the keyframe in"} <= names
    assert all(ms > 0 for *_, ms in rows)


def test_the_sums():
    rows = [("sender", "tick", "a", 2.0), ("receiver", "frame", "b", 10.0), ("receiver", "keyframe", "c", 99.0)]
    assert table(rows).splitlines()[-2:] == ["| sender | **all** | | | **10** |", "| receiver | **all** | | | **250** |"]


def test_a_device_that_is_not_there_is_one_line(capsys):
    assert main(["--ticks", "1", "--device", "toaster"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit):
        main(["--ticks", "0"])
