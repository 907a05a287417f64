"""The keyframe's curve: the size of the keyframe's file against the quality of the rendered video."""

import json

import cv2
import pytest

torch = pytest.importorskip("torch")

from bench.picture import keyframe_curve
from bench.picture.keyframe_curve import LOSSLESS, main, table


def test_a_coarser_keyframe_is_smaller_and_the_video_rendered_from_it_is_worse(data, losses, tmp_path, monkeypatch):
    monkeypatch.setattr(keyframe_curve, "SETTINGS", (("avif", 10), ("avif", 80), ("webp", 80)))
    out, said = tmp_path / "out.json", []
    assert (
        main(
            [str(data), str(losses), str(out), "--every", "20", "--threads", "1", "--plot", str(tmp_path / "p.png")], said.append
        )
        == 0
    )
    means = json.loads(out.read_text())["mean"]
    assert list(means) == [LOSSLESS, "avif 10", "avif 80", "webp 80"]
    assert means["avif 10"]["bytes"] < means["avif 80"]["bytes"] < means[LOSSLESS]["bytes"]
    assert means["avif 10"]["keyframe_psnr"] < means["avif 80"]["keyframe_psnr"]
    assert means["avif 10"]["psnr"] < means["avif 80"]["psnr"] <= means[LOSSLESS]["psnr"] + 0.2
    assert said[-1].count("\n") == 6
    assert cv2.imread(str(tmp_path / "p.png")).shape[1] > 500


def test_the_table_shows_the_difference():
    rows = {
        LOSSLESS: {"bytes": 3.0, "keyframe_psnr": 99.0, "psnr": 25.0},
        "avif 60": {"bytes": 2.0, "keyframe_psnr": 40.0, "psnr": 24.9},
    }
    assert table(rows).splitlines()[-1] == "| avif 60 | 2 | 40.0 dB | 24.900 (-0.100) |"


def test_an_empty_folder_is_reported(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path), str(tmp_path / "o.json")]) == 1
    assert "holds no dev/*.mp4" in capsys.readouterr().err
