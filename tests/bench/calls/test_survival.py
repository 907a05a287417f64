"""Calls on a bad network, without rendering: gaps are reported at their true length."""

import json
from pathlib import Path

import pytest

from bench.calls import survival
from bench.calls.relay import Impairment
from bench.calls.survival import gaps


def test_the_time_before_the_first_and_after_the_last_arrival_counts_as_a_gap() -> None:
    assert gaps([1.0, 1.2, 3.2, 3.4], 0.0, 4.0) == (1.0, pytest.approx(2.0))
    assert gaps([1.0, 1.2], 0.5, 9.0) == (0.5, pytest.approx(7.8))
    assert gaps([], 0.0, 9.0) == (9.0, 9.0)


@pytest.mark.e2e
def test_a_call_that_is_cut_off_permanently_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survival, "NETWORK", Impairment())
    monkeypatch.setattr(survival, "SECONDS", 11.0)
    monkeypatch.setattr(survival.measure, "__defaults__", (11.0,))
    monkeypatch.setattr(survival, "LONG", 1.5)
    lines: list[str] = []
    out = tmp_path / "out.json"
    monkeypatch.setattr(
        survival, "CUT", 1.0
    )  # after the first sound and picture; blocked from then on, for longer than sound is concealed
    monkeypatch.setattr(survival, "DARK", 1.0)
    monkeypatch.setattr(survival, "LIGHT", 60.0)
    assert survival.main([str(out), "--calls", "1"], lines.append) == 0
    (cut,) = json.loads(out.read_text())
    assert cut["sound_gap_s"] > 1.5
    assert 0 < cut["arrived"] < 1
    assert lines[-1].startswith("\n1 of 1 calls")
