"""The table has a row for each available runtime, with one thread and with two."""

import contextlib

import pytest

from bench.speed.frame_time import main, runtimes
from models.runtime.upsampler import Upsampler


def available_runtimes() -> set[str]:
    """The runtimes that render on this machine. Several device names may mean the same runtime."""
    found = set()
    for device in runtimes():
        with contextlib.suppress(ValueError):
            found.add(Upsampler(device=device, threads=1).runtime)
    return found


@pytest.mark.parametrize(("int8", "bf16"), [(True, True), (False, False)])
def test_a_row_for_each_runtime_and_thread_count(monkeypatch, int8, bf16):
    """For processors with and without the instructions of the faster precisions; missing instructions are emulated."""
    monkeypatch.setattr("models.runtime.backends.has_int8_dots", lambda: int8)
    monkeypatch.setattr("models.runtime.backends._has_bf16", lambda: bf16)
    said = []
    assert main(["--rounds", "1"], said.append) == 0
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in said[1:]]
    assert [r[1] for r in rows] == ["1", "2"] * (len(rows) // 2)
    assert len({r[0] for r in rows}) == len(rows) // 2
    assert {r[0] for r in rows} == available_runtimes()
    assert all(float(r[2]) > 0 for r in rows)
    assert float(rows[0][3]) == 1.0


def test_a_folder_without_networks_is_reported(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--weights", str(tmp_path)])
    assert stopped.value.code == 1
    assert "identity.onnx is missing" in capsys.readouterr().err
