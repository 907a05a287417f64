"""``facewire bench`` on a short clip: its counts, its output files, and its errors."""

import csv
import json
import re
import subprocess
import sys

import av
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from bench.demo import shipped_clip
from bench.metrics.panel import Panel
from bench.picture import benchmark
from bench.picture.benchmark import RATE, compare
from bench.picture.command import _modes
from bench.picture.crops import cropped, write_lossless
from bench.picture.html_report import nearest_rival
from bench.picture.rate_points import OUR_SETTINGS, Cost, our_points, our_setting, rival_point, rival_settings
from bench.picture.results import compressai, times
from bench.picture.variants import Renderer
from bench.reference_codecs.codecs import FORMATS, MODES, parse_format
from bench.reference_codecs.ffmpeg import FfmpegError
from codec.accounting import PIXELS
from codec.media.files import file_frames, file_sound
from facewire import app
from models.face.detector import BlazeFace
from models.runtime.upsampler import Interpolator
from sender.encode_file import encode_file
from sender.stream import StreamConfig


def point(codec, label, rate, mode="", **figures):
    return {"codec": codec, "mode": mode, "label": label, "figures": {RATE: rate, "bpp": rate, **figures}}


def test_the_bytes_of_a_keyframe_are_spread_over_a_one_minute_call():
    figures = Cost(keyframe=3000, rest=1000, frames=250, encode_ms=2, decode_ms=1).figures()
    assert figures["bpp"] == pytest.approx(4000 * 8 / (250 * PIXELS))
    assert figures["bpp_video"] == pytest.approx(1000 * 8 / (250 * PIXELS))
    assert figures["bpp_60s"] == pytest.approx((3000 + 6000) * 8 / (1500 * PIXELS))
    assert figures["kbps_60s"] == pytest.approx(9000 * 8 / 60 / 1000)


def test_facewire_is_compared_with_the_best_rival():
    points = [
        point("facewire", "8x8@5", 1.0, lpips=0.1, psnr=25.0),
        point("av1", "a", 4.0, "best", lpips=0.2, psnr=25.0),
        point("av1", "b", 16.0, "best", lpips=0.05, psnr=30.0),
        point("h264", "c", 16.0, "low-delay", lpips=0.1, psnr=22.0),
    ]
    found = compare(points)
    assert found["lpips"]["low-delay"]["times"]["8x8@5"] == pytest.approx(16)
    assert found["lpips"]["best"]["times"]["8x8@5"] == pytest.approx(4 * 4 ** (2 / 3))
    assert found["lpips"]["all"]["times"] == found["lpips"]["best"]["times"]
    assert found["psnr"]["best"]["times"]["8x8@5"] == pytest.approx(4)
    assert times(found["psnr"]["low-delay"]["times"]["8x8@5"]) == "never"
    assert "dists" not in found


def test_the_rival_shown_next_to_facewire_is_the_best_near_its_rate_else_the_cheapest():
    cheap, near, dear = (point("av1", str(r), r, lpips=v, psnr=0) for r, v in ((0.5, 0.4), (1.2, 0.3), (1.3, 0.1)))
    assert nearest_rival([cheap, near, dear], 1.0) is near
    assert nearest_rival([dear, near], 0.1) is near
    assert nearest_rival([point("facewire", "a", 1.0)], 1.0) is None


def test_results_have_the_compressai_format():
    first, second = compressai([
        point("av1", "b", 2.0, "best", psnr=30.0, encode_ms=2.0), point("facewire", "a", 1.0, psnr=25.0),
        point("av1", "a", 1.0, "best", psnr=28.0, encode_ms=4.0),
    ])  # fmt: skip
    assert first["name"] == "av1-best"
    assert first["results"]["bpp"] == [1.0, 2.0]
    assert first["results"]["psnr-rgb"] == [28.0, 30.0]
    assert first["results"]["encoding_time"] == [0.004, 0.002]
    assert second["name"] == "facewire"
    assert set(first) == {"name", "description", "results"}


def test_small_formats_are_run_at_low_qualities_only():
    settings = rival_settings(["av1"], ["best"], FORMATS)
    assert [q for _, _, f, q in settings if str(f) == "256px@25"] == [35, 45, 55, 63]
    assert [q for _, _, f, q in settings if str(f) == "64px@5"] == [55, 63]
    assert len(rival_settings(["av1", "h264"], MODES, FORMATS)) == 2 * 2 * (4 + 8 * 2)


def test_a_video_of_another_size_is_cropped_to_the_face(data, tmp_path):
    clip = data / "dev" / "astronaut.mp4"
    path, frames = cropped(clip, tmp_path)
    assert (path, frames[0].shape) == (clip, (256, 256, 3))
    wide = tmp_path / "wide.mkv"
    with av.open(str(shipped_clip())) as whole, av.open(str(wide), "w") as short:
        streams = {s.type: short.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < 1:
                kind = packet.stream.type
                packet.stream = streams[kind]
                short.mux(packet)
    path, crops = cropped(wide, tmp_path)
    assert len(crops) == len(list(file_frames(wide))) > 10
    assert all(np.array_equal(a, b) for a, b in zip(crops, file_frames(path), strict=True))
    assert BlazeFace().detect(crops[5])
    before, after = (np.concatenate(list(file_sound(p))) for p in (wide, path))
    assert np.abs(before[:8000] - after[:8000]).max() < 1e-3


def test_every_tick_mode_is_coded_with_its_own_tick_length(data, tmp_path):
    clip = data / "dev" / "astronaut.mp4"
    pictures = {}
    for tick_mode in range(3):
        count = encode_file(
            clip, tmp_path / f"{tick_mode}.fw", StreamConfig(crop="none", keyframe="first", tick_mode=tick_mode)
        ).count
        pictures[tick_mode] = count.pictures
        assert count.seconds == pytest.approx(43 / 25)
    assert pictures == {0: 9, 1: 17, 2: 29}


def test_the_command_writes_json_csv_and_a_self_contained_page(data, losses, tmp_path):
    clip, out = data / "dev" / "astronaut.mp4", tmp_path / "out"
    given = ["--codecs", "h264", "--modes", "low-delay", "--formats", "256px@25,64px@5", "--losses", str(losses), "--every", "20"]
    done = CliRunner().invoke(app, ["bench", str(clip), "--out", str(out), *given, "--threads", "1", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads((out / "bench.json").read_text())
    assert json.loads(done.stdout) == found
    assert [c["name"] for c in found["codecs"]] == ["facewire", "facewire-best", "h264-low-delay"]
    ours = [p for p in found["points"] if p["codec"] == "facewire"]
    assert [p["label"] for p in ours] == [our_setting(*s).label for s in OUR_SETTINGS]
    for p in found["points"]:
        assert {"psnr", "ssim", "lpips", "dists", "fd_vgg16", "lmd", "motion"} <= set(p["figures"]), p
    # The reported figures agree with the counts of the .fw file.
    count = encode_file(clip, tmp_path / "a.fw", StreamConfig(crop="none", keyframe="first")).count
    assert ours[0]["figures"]["bpp_video"] == pytest.approx(count.video_bytes * 8 / (43 * PIXELS))
    assert ours[0]["figures"]["bpp"] == pytest.approx((count.video_bytes + count.keyframe_bytes) * 8 / (43 * PIXELS))
    rows = list(csv.DictReader((out / "bench.csv").open()))
    assert len(rows) == 2 * len(found["points"])
    assert {r["clip"] for r in rows} == {"astronaut.mp4", "mean"}
    page = (out / "bench.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert page.count("data:video/mp4;base64,") == 3
    assert "/*DATA*/" not in page


def test_bad_arguments_are_reported(data, tmp_path):
    clip = str(data / "dev" / "astronaut.mp4")
    for given, reason in (
        ([str(tmp_path / "none.mp4")], "no such file"),
        ([clip, "--codecs", "h263"], "codec 'h263' is none of h264, h265, av1, h266"),
        ([clip, "--formats", "9px@1"], "format '9px@1' is none of"),
        ([clip, "--modes", "slow"], "mode 'slow' is none of"),
        ([clip, "--losses", str(tmp_path / "nowhere")], "is no folder"),
    ):
        done = CliRunner().invoke(app, ["bench", *given, "--out", str(tmp_path / "o")])
        assert reason in str(done.exception), (given, done.output, done.exception)
        assert not (tmp_path / "o").exists()


def test_the_word_both_selects_both_modes():
    assert _modes("both") == _modes(None) == MODES
    assert _modes("best") == ["best"]


def test_a_failed_rival_point_is_reported_and_the_others_are_kept(data, losses, tmp_path, monkeypatch):
    def point_of(truth, numbers, codec, mode, form, quality):
        if quality == 43:
            raise FfmpegError("it gave up")
        return rival_point(truth, numbers, codec, mode, form, quality)

    monkeypatch.setattr(benchmark, "rival_point", point_of)
    told, kept = [], []
    clip = data / "dev" / "astronaut.mp4"
    plan = benchmark.Plan([clip, clip], ["h264"], ["low-delay"], [parse_format("64px@5")], every=40)
    tools = benchmark.Tools(Panel(losses, True), Renderer(None, threads=1), Interpolator(None))
    rivals = benchmark.chosen_rivals(plan)
    found = benchmark.run(plan, rivals, tools, told.append, lambda so_far: kept.append(len(so_far["clips"])))
    assert [p["label"] for p in found["points"] if p["codec"] == "h264"] == ["64px@5 q51"]
    assert sum("left out: it gave up" in line for line in told) == 2
    assert kept == [1, 2]


def test_later_keyframes_are_scaled_to_a_minute_and_the_first_is_not(data, tmp_path):
    """The clip has a scene cut: the cost of the second keyframe is counted again for every repetition of the clip."""
    clip = tmp_path / "cut.mkv"
    frames = list(file_frames(data / "dev" / "astronaut.mp4"))
    write_lossless(clip, [*frames, *(255 - f[:, ::-1] for f in frames)], None)
    renderer = Renderer(None, threads=1)
    found = {s.mode: cost for s, cost, _ in our_points(clip, list(file_frames(clip)), [0], renderer, Interpolator(None))}
    count = encode_file(clip, tmp_path / "a.fw", StreamConfig(crop="none")).count
    assert found["best"].keyframe < 0.7 * count.keyframe_bytes  # there are two
    assert found["best"].keyframe + found["best"].rest == count.keyframe_bytes + count.video_bytes


def test_benchmarks_need_only_what_their_extra_installs():
    """``pip install facewire[bench]`` does not install onnx, which only training needs."""
    names = ("benchmark", "quality", "keyframe_curve", "contact_sheet", "warped_frames", "refresh_gain", "upsample_split")
    wanted = "; ".join(f"import bench.picture.{name}" for name in names)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['onnx'] = None; {wanted}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
