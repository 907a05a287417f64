"""The gain of further keyframes, on generated people."""

import json

import pytest

torch = pytest.importorskip("torch")

from bench.picture import refresh_gain
from bench.picture.refresh_gain import OFF, Way, groups, main, table


def test_a_clip_and_a_reel_are_judged_with_and_without_further_keyframes(data, losses, tmp_path, monkeypatch):
    monkeypatch.setattr(refresh_gain, "WAYS", (Way(OFF), Way("much", 200.0)))
    out, said = tmp_path / "out.json", []
    arguments = [str(data), str(losses), str(out), "--clips", "1", "--every", "20", "--threads", "1"]
    assert main(arguments, said.append) == 0
    found = json.loads(out.read_text())
    for rows in found.values():
        assert rows[OFF]["keyframes"] == 1
        assert rows["much"]["keyframes"] >= 1
        assert rows["much"]["kbps"] >= rows[OFF]["kbps"]
        assert {"light", "lips", "turn"} == set(rows["moved"])
    assert said[-1].startswith("| | | kbit/s")


def test_clips_are_grouped_by_what_moves_most_in_them():
    found = {f"{n}.mp4": {"moved": {"light": n, "lips": -n, "turn": 1.0}} for n in range(6)}
    found["someone_reel.mkv"] = {"moved": {"light": 99.0}}
    told = groups(found)
    assert told["light moves most"] == ["5.mp4", "4.mp4"]
    assert told["lips moves most"] == ["0.mp4", "1.mp4"]
    assert told["reels"] == ["someone_reel.mkv"]
    assert len(told["all clips"]) == 6


def test_the_table_shows_rate_keyframes_and_gain(monkeypatch):
    monkeypatch.setattr(refresh_gain, "WAYS", (Way(OFF), Way("some", 1.0)))
    base = {"kbps": 1.0, "keyframes": 1.0, "switches": 0.0, "lpips": 0.12, "psnr": 24.0}
    rows = {OFF: base, "some": base | {"kbps": 3.0, "keyframes": 2.0, "lpips": 0.10}, "moved": {}}
    last = table({"a.mp4": rows}).splitlines()[3]
    assert last == "| all clips (1) | some | 3.00 | 2.0 | 0.0 | 0.1000 | -0.0100 | 24.00 |"


def test_an_empty_folder_is_reported(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path), str(tmp_path / "o.json")]) == 1
    assert "holds no dev/*.mp4" in capsys.readouterr().err
