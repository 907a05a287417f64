"""The curve of rendering several calls at once."""

import json

import pytest

from bench.calls.many import main, table


def test_a_measured_curve(tmp_path):
    pytest.importorskip("matplotlib")
    out, said = tmp_path / "o.json", []
    assert main([str(out), "--seats", "1,2", "--device", "cpu", "--plot", str(tmp_path / "o.png")], said.append) == 0
    one, two = json.loads(out.read_text())
    assert (one["seats"], two["seats"]) == (1, 2)
    assert one["fps_each"] > 0
    assert two["fps_each"] > 0
    assert two["fps_all"] == pytest.approx(2 * two["fps_each"], abs=0.05)
    assert one["rss_mb"] > 50
    assert (tmp_path / "o.png").stat().st_size > 5000
    assert len("".join(said).splitlines()) == 4


def test_bad_input_gives_a_one_line_error(tmp_path, capsys):
    for arguments in (["--seats", "x"], ["--seats", "1", "--device", "toaster"], ["--seats", "1", "--device", "cuda"]):
        assert main([str(tmp_path / "o.json"), *arguments]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_table_has_one_row_per_number_of_calls():
    row = {"seats": 4, "runtime": "x", "fps_all": 100.0, "fps_each": 25.0, "step_ms_p50": 40.0, "rss_mb": 500.0, "gpu_mb": None}
    assert table([row, row | {"gpu_mb": 900.2}]).splitlines()[-1].endswith("| 500 | 900 |")
