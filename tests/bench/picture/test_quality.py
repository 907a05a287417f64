"""``bench.picture.quality`` on a short clip with the shipped weights and metric networks of random weights."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.metrics.panel import Panel
from bench.picture.quality import FIGURES, main, mean, middle_run, tables, worst
from models.lipsync.syncnet import SyncNet


def test_lip_sync_is_judged_on_a_run_in_the_middle_of_the_clip():
    assert middle_run(250, 2.0) == list(range(100, 150))
    assert middle_run(28, 2.0) == list(range(28))


def test_mean_ignores_missing_values():
    found = mean([{"a": 1.0, "b": math.nan}, {"a": 3.0, "b": 5.0}, {"c": math.nan}])
    assert (found["a"], found["b"]) == (2.0, 5.0)
    assert math.isnan(found["c"])
    assert mean([]) == {}


def test_worst_is_the_mean_of_the_worst_quarter_of_the_clips():
    assert worst([0.1, 0.5, 0.2, 0.3, 0.4, 0.0, 0.6, 0.2]) == pytest.approx(0.55)
    assert worst([0.3]) == 0.3
    assert math.isnan(worst([0.3, math.nan]))
    assert math.isnan(worst([]))


def test_the_table_shows_only_known_figures():
    _, markdown = tables({"ours": {"psnr": 25.123, "lpips": 0.1234}, "held": {"psnr": math.inf, "lpips": math.nan}})
    lines = markdown.splitlines()
    assert lines[0] == "| | ours | held |"
    assert lines[2:] == ["| PSNR, dB ↑ | 25.12 | inf |", "| LPIPS (AlexNet) ↓ | 0.123 | – |"]


def test_the_panel_reports_which_metrics_it_leaves_out(faces, losses, tmp_path):
    (tmp_path / "lpips_alexnet.pth").write_bytes((losses / "lpips_alexnet.pth").read_bytes())
    panel = Panel(tmp_path)
    assert any("lpips_vgg16.pth is missing" in note for note in panel.notes)
    assert any("fsanet" in note for note in panel.notes)
    row = panel.frame(faces[0], {"same": faces[0]}, identity=False)["same"]
    assert (row["psnr"], row["lmd"]) == (math.inf, 0)
    assert (row["ssim"], row["lpips"]) == pytest.approx((1, 0), abs=1e-6)
    assert "dists" not in row
    assert panel.frechet() == {}
    assert set(panel.frame(np.zeros_like(faces[0]), {"same": faces[0]})["same"]) == {"psnr", "ssim", "lpips"}
    assert (panel.judged, panel.faceless) == (2, 1)


def test_a_complete_run(data, losses, tmp_path, capsys):
    torch.manual_seed(0)
    torch.save({"model": SyncNet(4).state_dict(), "width": 4, "times": 5}, tmp_path / "sync.pt")
    (tmp_path / "sync.json").write_text('{"astronaut.mp4": {"confidence": 0.2, "offset": 1}}')
    out = tmp_path / "out.json"
    options = [
        "--offsets",
        str(tmp_path / "sync.json"),
        "--every",
        "42",
        "--threads",
        "1",
        "--variants",
        "ours,held,bicubic",
        "--sync",
        str(tmp_path / "sync.pt"),
    ]
    assert main([str(data), str(losses), str(out), *options, "--sync-seconds", "1.4", "--markdown", "--device", "cpu"]) == 0
    report = json.loads(out.read_text())
    assert report["settings"]["fps"] == 5
    assert (report["judged"], report["faceless"]) == (1, 0)
    assert 0 < report["cost"]["bpp_video"] < 0.005
    (clip,) = report["clips"]
    assert (clip["clip"], clip["frames"], clip["speaking"]) == ("astronaut.mp4", 43, True)
    assert report["speaking"]["ours"]["psnr"] == report["mean"]["ours"]["psnr"]
    means = report["mean"]
    assert set(means) == {"ours", "held", "bicubic", "original"}
    assert means["ours"]["psnr"] > means["held"]["psnr"]
    assert means["ours"]["lpips"] < means["bicubic"]["lpips"]
    assert means["held"]["motion"] > 0
    for name in ("ours", "held", "bicubic"):
        assert {
            "dists",
            "lmd",
            "broken",
            "worst",
            "lips_follow",
            "lids_follow",
            "psnr_mouth",
            "ssim",
            "sync_d",
            "sync_c",
            "sync_hit",
        } <= set(means[name])
        assert set(means[name]) <= {*FIGURES, "sync_offset"}
    assert all(0 <= means[name]["sync_d"] <= 2**0.5 for name in means)
    printed = capsys.readouterr()
    assert printed.out.count("| | ours | held | bicubic | original |") == 2
    assert "The 1 clips in which the visible person speaks" in printed.out
    assert "pose left out" in printed.err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": "nowhere"}, "no dev/"), ({"losses": "nowhere"}, "no folder"), ({"losses": "."}, "holds none of"),
        ({"more": ["--variants", "theirs"]}, "is none of"),
        ({"more": ["--variants", "no_animation"]}, "--checkpoint"), ({"more": ["--every", "0"]}, "1 or more"),
        ({"more": ["--opening", "-1"]}, "0 or more"),
        ({"more": ["--sync", "nowhere.pt"]}, "nowhere.pt"), ({"more": ["--weights", "nowhere"]}, "no such folder"),
        ({"more": ["--offsets", "dev"]}, "no sync.json"),
    ],
)  # fmt: skip
def test_errors_are_reported_in_one_line(change, reason, data, losses, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dev").write_text("{}]")
    given = {"data": str(data), "losses": str(losses), "out": "out.json", "more": []} | change
    assert main([given["data"], given["losses"], given["out"], *given["more"]]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


def test_a_weights_file_without_weights_is_reported(data, losses, tmp_path, capsys):
    (tmp_path / "lpips_alexnet.pth").write_text("no weights")
    assert main([str(data), str(tmp_path), str(tmp_path / "out.json")]) == 1
    error = capsys.readouterr().err
    assert "lpips cannot be used" in error
    assert len(error.splitlines()) == 1
