"""Figures of a call on a bad network."""

import json

import numpy as np
import pytest

from bench.calls import impairments
from bench.calls.impairments import CASES, FROZEN, Case, judge, main, table
from bench.calls.relay import Impairment


def test_a_call_is_judged_by_its_gaps_and_delays():
    times = np.r_[np.arange(0, 4, 0.04), np.arange(5.0, 9.0, 0.04)]
    delay = np.full(len(times), 0.3)
    delay[-40:] = 0.5
    found = judge(times, delay, {"ticks_concealed": 5, "ticks": 50, "bundles_late": 2}, {"wire_kbps_out": 11.5, "tick_ms": 200})
    assert found["longest_s"] == pytest.approx(1.04)
    assert found["frozen_s"] == pytest.approx(1.04 - FROZEN)
    assert found["fps"] == pytest.approx(200 / 8.96, rel=0.01)
    assert (found["delay_ms"], found["delay_end_ms"]) == (pytest.approx(300), pytest.approx(500))
    assert found["concealed"] == 0.1


@pytest.mark.e2e
def test_a_real_call_through_the_relay(tmp_path, monkeypatch):
    monkeypatch.setattr(impairments, "CASES", (Case("some loss", Impairment(loss=0.05, delay=0.02)),))
    said = []
    assert main([str(tmp_path / "out.json"), "--seconds", "8"], said.append) == 0
    found = json.loads((tmp_path / "out.json").read_text())["some loss"]
    assert found["fps"] > 0
    assert found["delay_ms"] > 150  # a tick is sent only when it is complete
    assert "some loss" in said[-1]


def test_case_names_are_unique_and_a_failure_is_reported(tmp_path, capsys):
    assert len({c.name for c in CASES}) == len(CASES)
    assert main([str(tmp_path / "o.json"), "--video", str(tmp_path / "none.mp4"), "--only", "loopback"]) == 1
    assert "none.mp4" in capsys.readouterr().err


def test_the_table_has_one_row_per_case():
    row = dict.fromkeys(
        ("fps", "frozen_s", "longest_s", "delay_ms", "delay_end_ms", "concealed", "late", "out_kbps", "tick_ms"), 1.0
    )
    assert len(table({"a": row, "b": row}).splitlines()) == 4
