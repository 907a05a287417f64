"""Each size is judged with and without sound; bad input gives a one-line error. The distance networks have random weights."""

import json

import pytest

pytest.importorskip("torch")

from bench.picture.upsample_split import METHODS, averages, main
from receiver.upsample import SIZES


def test_every_size_is_judged(data, losses, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main([str(data), str(losses), str(out), "--clips", "3"]) == 0
    found = json.loads(out.read_text())
    row = found["clips"]["astronaut.mp4"]
    assert row.keys() == {f"{s}_{m}" for s in SIZES for m in METHODS}
    for side in SIZES:
        assert found["mean"][f"{side}_best"] == row[f"{side}_speech"]
        assert row[f"{side}_speech"]["psnr"] > row[f"{side}_bicubic"]["psnr"]
        assert row[f"{side}_speech"]["psnr"] > row[f"{side}_not_projected"]["psnr"] - 0.05
    assert row["64_speech"]["psnr"] > row["8_speech"]["psnr"]
    assert "64x64" in capsys.readouterr().out


def test_speech_gain_counts_only_clips_with_sound():
    def row(heard, deaf):
        cell = {"no_speech": deaf, "not_projected": 20.0, "bicubic": 10.0} | ({"speech": heard} if heard else {})
        return {f"{s}_{m}": {"psnr": v, "lpips": v / 100} for s in SIZES for m, v in cell.items()}

    mean = averages([row(25.0, 24.0), row(None, 30.0)])
    assert mean["8_speech_gain"]["psnr"] == 1.0
    assert mean["8_best"]["psnr"] == 27.5
    assert mean["8_no_speech"]["psnr"] == 27.0


def test_bad_input_gives_a_one_line_error(data, losses, tmp_path, capsys):
    assert main([str(tmp_path), str(losses), str(tmp_path / "out.json")]) == 1
    assert main([str(data), str(tmp_path), str(tmp_path / "out.json")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "no clips" in lines[0]
    assert "lpips_alexnet.pth" in lines[1]
    assert not (tmp_path / "out.json").exists()
