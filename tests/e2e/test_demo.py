"""``facewire demo`` as a user runs it, but shorter."""

import json
import subprocess
import sys
from pathlib import Path

import av
import cv2
import pytest
from PIL import Image

pytestmark = pytest.mark.e2e

KEYS = (
    "bpp_video", "bpp_with_keyframe", "wire_kbps_out", "wire_kbps_in", "fps", "drawn_fps", "frames", "delay_ms_p50",
    "delay_ms_p95", "psnr_db",
)  # fmt: skip


def test_demo_makes_a_call_and_reports(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facewire", "demo", "--out", str(tmp_path), "--seconds", "8", "--no-page", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert {k: json.loads(done.stdout)[k] for k in KEYS} == {k: report[k] for k in KEYS}
    assert 0 < report["bpp_video"] < 0.0012
    assert report["bpp_video"] < report["bpp_with_keyframe"]
    # At most 12 kbit/s plus the keyframe with its headers and 4 kB of handshake, over at least eight seconds.
    once = 1.2 * report["sender"]["keyframe_bytes"] + 4000
    assert 8 < report["wire_kbps_out"] < 12 + once * 8e-3 / 8
    assert 1 < report["frames"] <= 8 * 50  # 50 a second at most
    assert report["delay_ms_p50"] > 200  # a tick is sent only when it is complete
    assert report["delay_ms_p50"] <= report["delay_ms_p95"]
    assert report["psnr_db"] > 20  # usually 25; 17 without the network
    with Image.open(tmp_path / "moving.webp") as moving:
        assert moving.size == (3 * 208, 208 + 28)
        assert moving.n_frames > 1
    assert cv2.imread(str(tmp_path / "strip.png")).shape == (6 * 256 + 28, 4 * 256, 3)
    with av.open(str(tmp_path / "call.mp4")) as container:
        assert container.streams.video[0].frames >= report["frames"]
        sound = [f.to_ndarray() for f in container.decode(audio=0)]
    # Any two seconds of the clip have loud sound. A tick whose bundle a busy machine got too late is concealed, maybe silent.
    heard = report["receiver"]["ticks"] - report["receiver"]["ticks_concealed"]
    assert len(sound) > 0
    assert heard < 10 or max(float(abs(s).max()) for s in sound) > 0.05, report["receiver"]
