"""The quality of warped frames, on generated people."""

import json

import pytest

torch = pytest.importorskip("torch")

from bench.picture import warped_frames
from bench.picture.warped_frames import main, table


def test_frames_are_judged_by_their_distance(data, losses, tmp_path, monkeypatch):
    monkeypatch.setattr(warped_frames, "APART", (1, 3))
    monkeypatch.setattr(warped_frames, "can_warp", lambda before, now: now.number % 2 == 0)
    monkeypatch.setattr(warped_frames, "warped_frame", lambda rgb, _before, _now: rgb)
    out, said = tmp_path / "out.json", []
    assert main([str(data), str(losses), str(out), "--clips", "1", "--threads", "1"], said.append) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"1", "3"}
    for ways in found.values():
        assert ways["warped"] == ways["held"]
        assert ways["drawn"]["psnr"] > 5
    assert len(said[-1].splitlines()) == 4


def test_the_table_has_a_row_for_each_distance():
    row = {"psnr": 25.478, "lpips": 0.0801}
    ways = {"drawn": row, "warped": row | {"psnr": 25.1}, "held": row | {"lpips": 0.1}}
    assert table({2: ways}).splitlines()[-1] == "| 2 | 25.48 dB, 0.080 | 25.10 dB, 0.080 | 25.48 dB, 0.100 |"


def test_an_empty_folder_is_reported(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path), str(tmp_path / "o.json")]) == 1
    assert "holds no dev/*.mp4" in capsys.readouterr().err
