"""Delay and lip sync, computed from the record of a call."""

import json

import numpy as np
import pytest

from bench.calls.delay import EVERY, LIT, judge, main, shift
from codec.media.timing import FRAME_RATE
from tests.needs import BROWSER, needs


def record(picture: float, sound: float, seconds: float = 16.0) -> tuple[dict, dict]:
    """The record of a call that starts at 100 s and whose picture and sound are late by these many seconds."""
    frames = np.arange(round(seconds * FRAME_RATE)) / FRAME_RATE
    light = np.where(frames % EVERY < LIT, 200.0, 120.0)
    at = (np.arange(round(seconds * 200)) + 0.5) * 0.005
    sent = {"start": np.array(100.0), "captured": 100 + frames, "light": light}
    shown = {"shown": 100 + frames + picture, "light": light, "heard": 100 + at + sound, "loud": (at % EVERY < LIT) * 0.2}
    return sent, shown


def test_a_shift_is_found():
    t = np.arange(0, 8, 0.02)
    assert shift(t + 0.31, np.sin(t * 5) + np.sin(t * 2.3), t, np.sin(t * 5) + np.sin(t * 2.3)) == pytest.approx(0.31, abs=0.003)


@pytest.mark.parametrize(("picture", "sound"), [(0.30, 0.30), (0.34, 0.30), (0.25, 0.31)])
def test_delay_and_sync_of_a_known_call(picture, sound):
    found = judge(*record(picture, sound))
    assert len(found["sync_ms"]) >= 1
    assert found["picture_ms"] == pytest.approx([picture * 1e3] * len(found["picture_ms"]), abs=6)
    assert found["sound_ms"] == pytest.approx([sound * 1e3] * len(found["sound_ms"]), abs=6)
    assert found["sync_ms"] == pytest.approx([(picture - sound) * 1e3] * len(found["sync_ms"]), abs=10)
    assert found["fps"] == pytest.approx([25] * len(found["fps"]), abs=0.3)


def test_longer_parts_are_judged_as_well():
    found = judge(*record(0.3, 0.28, 60), 20.0)
    assert len(found["sync_ms"]) == 2
    assert found["sync_ms"] == pytest.approx([20, 20], abs=10)


def check(found):
    """Whole parts were judged, and nothing arrived before its tick of 200 ms could be sent. The
    delay itself is the bench's result."""
    assert len(found["sound_ms"]) == len(found["picture_ms"]) == len(found["sync_ms"]) >= 1
    assert min(found["sound_ms"] + found["picture_ms"]) > 190


@pytest.mark.e2e
def test_a_real_call(tmp_path):
    said = []
    assert main([str(tmp_path / "out.json"), "--seconds", "14"], said.append) == 0
    check(json.loads((tmp_path / "out.json").read_text()))
    assert "mouth to ear" in "".join(said)


@pytest.mark.e2e
@needs(*BROWSER, "pulseaudio")
def test_a_real_call_in_a_browser(tmp_path):
    said = []
    assert main([str(tmp_path / "out.json"), "--page", "--seconds", "16"], said.append) == 0
    check(json.loads((tmp_path / "out.json").read_text()))


def test_a_missing_browser_gives_a_one_line_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(tmp_path / "out.json"), "--page", "--seconds", "5"]) == 1
    assert capsys.readouterr().err == "needs chromium, chromedriver and pulseaudio (Debian: chromium-driver, pulseaudio)\n"
