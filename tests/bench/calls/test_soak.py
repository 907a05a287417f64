"""Figures of a long call."""

import json

import pytest

from bench.calls.soak import main, parts, slope, table


def lines(seconds: int, grows: float = 0.0) -> list[dict]:
    """One line of figures a second; memory grows by ``grows`` MB an hour."""
    return [
        {"t": t + 1.0, "connected": t > 2, "rss_mb": 400 + grows * t / 3600, "fps": 25.0 if t > 4 else 0.0,
         "delay_ms": 290.0 if t > 3 else None, "ticks": t * 5, "concealed": t // 20}
        for t in range(seconds)
    ]  # fmt: skip


@pytest.mark.parametrize("grows", [0.0, 30.0, -5.0])
def test_memory_growth_is_measured_after_the_first_minute(grows):
    found = lines(600, grows)
    for line in found[:60]:
        line["rss_mb"] -= 200  # while the program loads
    assert slope(found) == pytest.approx(grows, abs=0.01)


def test_the_memory_growth_of_a_short_call_is_nan():
    assert slope(lines(30)) != slope(lines(30))  # true only for nan


def test_parts_of_a_call():
    judged = {"sound_ms": [300.0] * 5, "sync_ms": [0.0, 5.0, -30.0, 10.0, 0.0]}
    found = parts(lines(120), lines(120), judged)
    assert len(found) == 6
    assert min(p["sync_ms"] for p in found) == -30
    assert found[-1]["fps"] == 25
    assert found[0]["fps"] < 25
    assert all(p["sound_ms"] == 300 for p in found)
    assert found[3]["concealed"] == pytest.approx(1 / 95, abs=0.012)
    assert len(table(found).splitlines()) == 8


@pytest.mark.e2e
def test_a_real_call(tmp_path):
    pytest.importorskip("matplotlib")
    said = []
    assert main([str(tmp_path / "o.json"), "--minutes", "0.2", "--plot", str(tmp_path / "o.png")], said.append) == 0
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["parts"][-1]["receiver_mb"] > 100
    assert found["parts"][-1]["fps"] > 0
    assert (tmp_path / "o.png").stat().st_size > 5000
    assert "memory grows" in "".join(said)
