"""Logs are joined and plotted; a bad log gives a one-line error."""

import json

import cv2
import pytest

from bench.curves import joined, main


def log(path, *rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_step_numbers_continue_within_a_stage(tmp_path):
    a = log(tmp_path / "a" / "coarse.jsonl", {"step": 50, "rec": 0.2}, {"step": 100, "rec": 0.1, "psnr": 20.0})
    b = log(tmp_path / "b" / "coarse.jsonl", {"step": 50, "rec": 0.05})
    c = log(tmp_path / "b" / "full.jsonl", {"step": 50, "rec": 0.05})
    stages = joined([a, b, c])
    assert [r["step"] for r in stages["coarse"]] == [50, 100, 150]
    assert [r["step"] for r in stages["full"]] == [50]


def test_repeated_steps_count_once(tmp_path):
    rows = [{"step": s, "rec": r} for s, r in ((50, 0.3), (100, 0.2), (150, 0.9), (100, 0.1), (150, 0.05))]
    stages = joined([log(tmp_path / "a" / "coarse.jsonl", *rows)])
    assert [(r["step"], r["rec"]) for r in stages["coarse"]] == [(50, 0.3), (100, 0.1), (150, 0.05)]


def test_a_plot_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    a = log(tmp_path / "coarse.jsonl", {"step": 50, "rec": 0.2}, {"step": 100, "rec": 0.1, "psnr": 20.0, "lpips": 0.1})
    assert main([str(tmp_path / "out.png"), str(a)]) == 0
    assert cv2.imread(str(tmp_path / "out.png")).std() > 5


@pytest.mark.parametrize("text", ["", "no json\n", "[]\n", '{"rec": 1}\n'])
def test_other_files_are_refused(tmp_path, capsys, text):
    (tmp_path / "x.jsonl").write_text(text)
    assert main([str(tmp_path / "out.png"), str(tmp_path / "x.jsonl")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
