"""Delay and lip sync, from a record of a call."""

import json

import numpy as np
import pytest

from bench.delay import EVERY, LIT, judge, main, shift
from sender.inputs import FRAME_RATE
from sender.speech import RATE


def record(picture: float, sound: float, seconds: float = 16.0) -> tuple[dict, dict]:
    """A call whose picture and sound come so many seconds late, from 100 s on."""
    frames, ticks = round(seconds * FRAME_RATE), round(seconds / 0.2)
    lit = np.array([(n / FRAME_RATE) % EVERY < LIT for n in range(frames)])
    crops = np.broadcast_to(np.where(lit, 200, 120).astype(np.uint8)[:, None, None, None], (frames, 4, 4, 3))
    t = np.arange(round(seconds * RATE)) / RATE
    beeps = np.sin(2 * np.pi * 700 * t) * ((t % EVERY) < LIT)
    sent = {"ticks": np.array([(i * 200, 200, 100 + (i + 1) * 0.2, 0) for i in range(ticks)], float),
            "numbers": np.arange(frames), "crops": crops}  # fmt: skip
    shown = {"times": 100 + np.arange(frames) / FRAME_RATE + picture, "frames": crops, "sound": beeps.astype(np.float16),
             "sound_times": 100 + np.arange(ticks) * 0.2 + sound, "sound_counts": np.full(ticks, RATE // 5)}  # fmt: skip
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


def test_a_real_call(tmp_path):
    said = []
    assert main([str(tmp_path / "out.json"), "--seconds", "14"], said.append) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert all(200 < ms < 1500 for ms in found["sound_ms"] + found["picture_ms"])
    assert "mouth to ear" in "".join(said)
