"""The table has a row for each runtime that is here, with one thread and two."""

import pytest

from bench.frame_time import main, runtimes


def test_a_row_for_each_runtime_and_thread_count():
    said = []
    assert main(["--rounds", "2"], said.append) == 0
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in said[1:]]
    assert [r[1] for r in rows] == ["1", "2"] * (len(rows) // 2)
    assert len({r[0] for r in rows}) == len(rows) // 2
    assert {"CPUExecutionProvider"} <= {r[0] for r in rows}
    assert len(rows) == 2 * len(set(runtimes()) - {"cuda"}) or "cuda" in runtimes()
    assert all(float(r[2]) > 0 for r in rows)
    assert float(rows[0][3]) == 1.0


def test_a_folder_without_networks_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--weights", str(tmp_path)])
    assert stopped.value.code == 1
    assert "identity.onnx is missing" in capsys.readouterr().err
