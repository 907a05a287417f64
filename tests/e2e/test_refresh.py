"""A face that changes during a call gets another keyframe, beside the bundles and under the cap."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from bench.crops import write_lossless
from bench.demo import shipped_clip
from sender.inputs import file_frames, file_sound
from sender.tracker import whole
from tests.e2e.processes import facewire, finish

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
    common = ("room", "--server", server, "--json")
    video = await asyncio.to_thread(changing, tmp_path / "changing.mkv")
    receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
    more = ("--crop", "none", "--keyframe", "first", "--limit", str(LIMIT))
    sender = await facewire("send", *common, "--video", str(video), *more)
    (sent_code, sent, sent_error), (code, received, error) = await asyncio.gather(finish(sender, 90), finish(receiver, 90))
    assert sent_code == 0, sent_error
    assert code == 0, error
    figures, seen = json.loads(sent), json.loads(received)
    assert 2 <= figures["keyframes"] <= 4
    assert seen["keyframes"] == figures["keyframes"]
    assert figures["keyframe_switches"] >= 1  # back in the light
    assert figures["wire_kbps_out"] < LIMIT
    assert seen["bundles_broken"] == 0
    shown = list(file_frames(tmp_path / "out.mp4"))
    # Drawn from the first keyframe the mirrored face is not on the right side; from the second it is.
    want, got = np.stack([f.mean((0, 1)) for f in shown]).mean(1), len(shown)
    assert got > 25 * 25
    assert want[12 * 25 : 18 * 25].mean() < 0.75 * want[:PART].mean()
