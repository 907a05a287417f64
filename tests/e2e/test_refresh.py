"""A face that changes during a call gets another keyframe, beside the bundles and under the cap."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.crops import write_lossless
from bench.demo import shipped_clip
from sender.inputs import file_frames, file_sound
from sender.tracker import whole
from tests.e2e.processes import MOST, facewire, finish_all, follow

pytestmark = pytest.mark.e2e

PART = 10 * 25
LIMIT = 24


def changing(out: Path) -> Path:
    """Ten seconds of the shipped clip, ten of it mirrored and in less light, and the first ten again."""
    frames = [whole(f).cut(f) for f in list(file_frames(shipped_clip()))[:PART]]
    dark = [np.ascontiguousarray(f[:, ::-1] // 2 + 10) for f in frames]
    sound = np.concatenate(list(file_sound(shipped_clip())))[: PART * 640]
    write_lossless(out, [*frames, *dark, *frames], np.concatenate([sound, sound * 0, sound]))
    return out


async def test_a_face_that_changes_gets_another_keyframe(server: str, tmp_path: Path) -> None:
    common, stats = ("room", "--server", server, "--json"), tmp_path / "stats.jsonl"
    video = await asyncio.to_thread(changing, tmp_path / "changing.mkv")
    receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
    more = ("--crop", "none", "--keyframe", "first", "--limit", str(LIMIT), "--loop", "--stats", str(stats))
    sender = await facewire("send", *common, "--video", str(video), *more)

    def changed(lines: list[dict[str, Any]]) -> bool:
        """A keyframe was added for the dark, and another was gone back to in the light."""
        return bool(lines) and lines[-1]["keyframes"] >= 2 and lines[-1]["keyframe_switches"] >= 1

    following = asyncio.create_task(follow(stats, sender, changed))
    (sent_code, sent, sent_error), (code, received, error) = await finish_all(sender, receiver, seconds=MOST + 60)
    await following
    assert sent_code == 0, sent_error
    assert code == 0, error
    figures, seen = json.loads(sent), json.loads(received)
    assert figures["keyframe_switches"] >= 1
    assert 2 <= seen["keyframes"] <= figures["keyframes"]
    assert figures["wire_kbps_out"] < LIMIT
    assert seen["bundles_broken"] == 0
    # Light and dark were both shown as they are: the dark face has half the light.
    light = np.array([f.mean() for f in file_frames(tmp_path / "out.mp4")])
    assert np.percentile(light, 10) < 0.75 * np.percentile(light, 90)
