"""``bench.speed.precision`` on a short clip: fp32 is the reference, the other precisions are close to it."""

import json

import pytest

pytest.importorskip("torch")

from bench.speed.precision import EXACT, decibels, main
from models.runtime.backends import has_int8_dots


def test_every_precision_is_judged_and_compared_with_fp32(data, losses, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main([str(data), str(losses), str(out), "--every", "20", "--threads", "1"]) == 0
    report = json.loads(out.read_text())
    names = report["runtimes"]
    assert names[EXACT] == "CPUExecutionProvider"
    assert ("CPUExecutionProvider, int8" in names.values()) == has_int8_dots()
    assert set(report["from_fp32"]) == set(names) - {EXACT}
    for device, apart in report["from_fp32"].items():
        assert apart["worst_db"] <= apart["mean_db"]
        assert apart["mean_db"] > (36 if "int8" in names[device] else 48)
        assert report["mean"][device]["psnr"] == pytest.approx(report["mean"][EXACT]["psnr"], abs=0.3)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("| dB from fp32, worst frame ↑ |  |") for line in lines)


def test_the_smallest_distance_is_that_of_rounding_to_whole_levels():
    assert decibels(0.0) == pytest.approx(58.9, abs=0.05)
    assert decibels(255.0**2) == 0


def test_a_folder_without_clips_gives_a_one_line_error(losses, tmp_path, capsys):
    assert main([str(tmp_path), str(losses), str(tmp_path / "out.json")]) == 1
    assert capsys.readouterr().err == f"{tmp_path} holds no dev/*.mp4\n"
