"""The page's networks compared with Python's: face, points, crop, speech, frames. In WebAssembly, as without a GPU."""

import base64
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from codec.media.files import file_frames
from codec.media.types import UInt8
from models.face.detector import BlazeFace
from models.face.following import PointFollower
from models.face.landmarks import FaceMesh, eye_opening, frontality
from models.face.shape_points import network_points, pixels_of
from models.face.tracker import Crop, Tracker, whole
from models.runtime.mel import log_mel, window_rows
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.tick_decoder import TickDecoder
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from tests.models.face.test_following import placed
from tests.signaling.web.peer.conftest import Browser


def rgba(rgb: UInt8) -> dict[str, Any]:
    """A picture in the form that the page's code takes."""
    data = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    return {"width": rgb.shape[1], "height": rgb.shape[0], "data": base64.b64encode(data.tobytes()).decode()}


def rgb_of(data: str, side: int = 256) -> UInt8:
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(-1, side, 4)[..., :3]


def psnr(a: UInt8, b: UInt8) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((a.astype(float) - b) ** 2).mean())))


@pytest.fixture(scope="module")
def wide(frames: list[UInt8]) -> list[UInt8]:
    """The clip's person in a wide picture, moving to the right."""
    out = []
    for i, frame in enumerate(frames[::3]):
        small = cv2.resize(frame, (300, 300), interpolation=cv2.INTER_AREA)
        picture = np.full((480, 640, 3), 90, np.uint8)
        picture[120:420, 60 + 20 * i : 360 + 20 * i] = small
        out.append(picture)
    return out


def test_pictures_are_resized_as_in_python(browser: Browser, frames: list[UInt8]) -> None:
    for side, method in ((96, cv2.INTER_AREA), (128, cv2.INTER_AREA), (401, cv2.INTER_CUBIC)):
        wanted = cv2.resize(frames[0], (side, side), interpolation=method)
        found = rgb_of(browser.ask("resize", picture=rgba(frames[0]), width=side, height=side), side)
        assert np.abs(found.astype(int) - wanted).max() <= 2, side


def test_onnx_runtime_is_compiled_once_for_all_workers(browser: Browser) -> None:
    """The compiled module replaces the file of that name, and no other."""
    plain, gpu = "http://a/vendor/1/ort-wasm-simd-threaded.wasm", "http://a/vendor/1/ort-wasm-simd-threaded.asyncify.wasm"
    assert browser.ask("give", urls=[plain, gpu]) == [[True, True, True], [False, False, False]]


def test_a_face_is_found_where_python_finds_it(browser: Browser, wide: list[UInt8]) -> None:
    (face,) = BlazeFace().detect(wide[0])
    (found,) = browser.ask("detect", picture=rgba(wide[0]))
    for name in ("x", "y", "width", "height"):
        assert abs(found[name] - getattr(face, name)) < 2, name
    points, sure = FaceMesh().points(wide[0], face)
    told = browser.ask("mesh", picture=rgba(wide[0]), face={k: float(getattr(face, k)) for k in ("x", "y", "width", "height")})
    apart = np.abs(np.array(told["points"]).reshape(468, 2) - points[:, :2])
    assert apart.mean() < 0.25
    assert abs(told["probability"] - sure) < 0.05
    assert abs(told["eyes"] - eye_opening(points)) < 0.02
    assert abs(told["frontal"] - frontality(points)) < 0.05


def test_crop_and_points_follow_the_face_as_in_python(browser: Browser, wide: list[UInt8]) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    tracker, follower = Tracker(detector, mesh), PointFollower(detector, mesh)
    answers = browser.ask("track", pictures=[rgba(picture) for picture in wide])
    for picture, answer in zip(wide, answers, strict=True):
        crop, face = tracker.update(picture)
        assert answer["face"] == face
        for name in ("x", "y", "side"):
            assert abs(answer["crop"][name] - getattr(crop, name)) < 4, name
        points = follower.see(picture, crop)
        assert points is not None
        assert np.abs(np.array(answer["points"]).reshape(468, 2) - points).mean() < 0.6


@pytest.mark.parametrize(("across", "down"), [(80, 0), (-60, -60)])
def test_points_after_a_jump_are_those_of_python(browser: Browser, frames: list[UInt8], across: int, down: int) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    tracker, follower = Tracker(detector, mesh), PointFollower(detector, mesh)
    places = [(160, 90)] * 3 + [(160 + across, 90 + down)] * 2
    pictures = [placed(frame, x, y) for frame, (x, y) in zip(frames, places, strict=False)]
    answers = browser.ask("track", pictures=[rgba(picture) for picture in pictures])
    for picture, answer in zip(pictures, answers, strict=True):
        points = follower.see(picture, tracker.update(picture)[0])
        assert points is not None
        assert np.abs(np.array(answer["points"]).reshape(468, 2) - points).mean() < 1.5


def test_a_crop_is_cut_as_in_python(browser: Browser, wide: list[UInt8]) -> None:
    for crop in (Crop(30.4, 20.2, 400.3), Crop(-60, 300, 200), Crop(500.4, -40, 256)):
        fields = {"x": crop.x, "y": crop.y, "side": crop.side}
        assert psnr(rgb_of(browser.ask("cut", picture=rgba(wide[0]), **fields)), crop.cut(wide[0])) > 45
        points = np.array([[10.0, 20.0], [300.0, 200.0]], np.float32)
        told = browser.ask("inside", **fields, points=points.reshape(-1).tolist())
        assert np.allclose(told["inside"], crop.inside(points).reshape(-1), atol=1e-3)
        assert np.allclose(told["back"], points.reshape(-1), atol=1e-3)


def test_the_speech_input_is_computed_as_in_python(browser: Browser) -> None:
    rng = np.random.default_rng(5)
    sound = (np.sin(np.arange(8000) * 0.2) * 0.3 + rng.normal(0, 0.02, 8000)).astype(np.float32)
    told, mel = browser.ask("mel", samples=sound.tolist(), row=7, newest=40), log_mel(sound)
    assert np.allclose(told["rows"], mel, atol=2e-3)
    assert np.allclose(np.array(told["window"]).reshape(20, 80), window_rows(mel, 7, 40), atol=2e-3)


def test_pictures_are_interpolated_as_in_python(browser: Browser) -> None:
    pictures = np.random.default_rng(6).random((5, 3, 8, 8)).astype(np.float32)
    told = browser.ask("interpolate", pictures=[p.reshape(-1).tolist() for p in pictures])
    assert np.allclose(np.array(told).reshape(5, 3, 8, 8), Interpolator().tick(pictures), atol=2e-3)


def test_a_frame_is_rendered_as_in_python(browser: Browser, frames: list[UInt8]) -> None:
    keyframe, target = (cv2.resize(frames[i], (256, 256), interpolation=cv2.INTER_AREA) for i in (0, 20))
    small = cv2.resize(target, (8, 8), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)[None].repeat(5, 0) / np.float32(255)
    speech = np.full((20, 80), -1, np.float32)
    detector, mesh = BlazeFace(), FaceMesh()
    places = [pixels_of(mesh.points(f, detector.detect(f)[0])[0]) for f in (keyframe, target)]
    shape = np.stack([network_points(p) for p in places])
    upsampler = Upsampler(device="cpu-fp32")  # as the page renders here; other runtimes render in int8
    upsampler.set_identity(keyframe)
    for told in (shape, None):
        wanted = upsampler.step(small, speech, shape=told)
        found = browser.ask(
            "draw", keyframe=rgba(keyframe), pictures=small.reshape(-1).tolist(), speech=speech.reshape(-1).tolist(),
            shape=None if told is None else told.reshape(-1).tolist(),
        )  # fmt: skip
        assert np.abs(rgb_of(found["frame"]).astype(int) - wanted).max() <= 4
        assert psnr(rgb_of(found["frame"]), wanted) > 48
        assert abs(found["doubt"] - upsampler.doubt) < 0.02


def test_a_stream_is_rendered_as_well_as_in_python(browser: Browser, clip: Path) -> None:
    """Both decode and render it, compared with the sender's crops; the small network as well."""
    stream, decoder = SenderStream(StreamConfig(crop="none", keyframe="first")), TickDecoder(Interpolator())
    upsampler, crops = Upsampler(device="cpu-fp32"), [whole(f).cut(f) for f in islice(file_frames(clip), 40)]
    bundles, sounds, drawn = [], [], {}
    for tick in islice(file_ticks(clip), 8):
        at, bundle = stream.at_ms, stream.bundle(tick)
        assert bundle is not None
        keyframe = stream.keyframes.gallery.keyframes[0]
        if not bundles:
            decoder.set_keyframe(0, keyframe.thumbnail, keyframe.points)
            upsampler.set_identity(keyframe.rgb)
        decoder.arrived(bundle)
        output = decoder.tick(at, 200, bundle)
        bundles.append({"atMs": at, "tickMs": 200, "bundle": bundle.pack().hex()})
        sounds.append(output.sound.tolist())
        drawn[output.frames[3].number] = upsampler.step(*output.frames[3].inputs)
    keyframes = [{"slot": 0, "data": keyframe.data.hex(), "atMs": 0}]
    told = browser.ask("ticks", keyframes=keyframes, bundles=bundles, sounds=sounds)
    by_number = {frame["number"]: frame["driven"] for tick in told for frame in tick["frames"]}

    def likeness(step: str) -> float:
        picture = rgba(keyframe.rgb)
        shown = {n: browser.ask("draw", keyframe=picture, step=step, **by_number[n]) for n in drawn}
        return float(np.mean([psnr(rgb_of(found["frame"]), crops[n]) for n, found in shown.items()]))

    python = float(np.mean([psnr(frame, crops[n]) for n, frame in drawn.items()]))
    assert python > 20
    assert abs(likeness("step.onnx") - python) < 0.1
    assert likeness("step-small-int8.onnx") > python - 1.5
