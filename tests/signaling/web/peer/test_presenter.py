"""Which frames of the other person's face the page shows and when; warped frames, compared with Python's."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from codec.media.types import UInt8
from receiver.motion_compensation import warped_frame
from receiver.tick_decoder import FrameInput
from tests.signaling.web.peer.conftest import Browser

Step = dict[str, Any]


def frames(numbers: Sequence[int], asked: Sequence[int] = (), shape: bool = True) -> list[Step]:
    """Frames of the 25 FPS grid, due at 40 ms times their number and announced 100 ms before."""
    return [
        {"kind": "frame", "at": n * 0.04 - 0.1, "due": n * 0.04, "number": n, "asked": n in asked, "shape": shape}
        for n in numbers
    ]


def drawn(number: int, at: float, shape: bool = True) -> Step:
    return {"kind": "drawn", "at": at, "due": number * 0.04, "number": number, "shape": shape}


def shown(browser: Browser, steps: list[Step]) -> list[tuple[float, int | None]]:
    """(time in seconds, number of the rendered frame that was shown, warped or not)"""
    return [(round(at, 3), level) for at, level in browser.ask("presenter", steps=steps, until=100)["shown"]]


def test_warped_frames_agree_with_pythons(browser: Browser, frames: list[UInt8]) -> None:
    rng = np.random.default_rng(8)
    rgb = np.ascontiguousarray(frames[0][:256, :256])
    assert rgb.shape == (256, 256, 3)
    for _ in range(3):
        points = rng.uniform(-0.5, 0.5, (54, 2)).astype(np.float32)
        shapes = [
            np.stack([points, points + rng.normal(0, 0.05, (54, 2)) + rng.normal(0, 0.1, 2)]).astype(np.float32) for _ in "ab"
        ]
        pictures = [rng.uniform(0.2, 0.8, (5, 3, 8, 8)).astype(np.float32) for _ in "ab"]
        a, b = (FrameInput(0, p, np.zeros((20, 80), np.float32), 0, shape=s) for p, s in zip(pictures, shapes, strict=True))
        told = [
            {"pictures": f.pictures.reshape(-1).tolist(), "shape": s.reshape(-1).tolist()}
            for f, s in zip((a, b), shapes, strict=True)
        ]
        rgba = base64.b64encode(np.dstack([rgb, np.full((256, 256), 255, np.uint8)]).tobytes()).decode()
        found = bytes(browser.ask("moved", rgba=rgba, drawn=told[0], frame=told[1]))
        picture = np.frombuffer(found, np.uint8).reshape(256, 256, 4)
        assert (picture[..., 3] == 255).all()
        off = np.abs(picture[..., :3].astype(int) - warped_frame(rgb, a, b))
        assert off.mean() < 0.7  # OpenCV rounds positions to 1/32 pixel
        assert off.max() <= 12


def test_between_rendered_frames_the_nearest_is_warped(browser: Browser) -> None:
    """The network renders one frame in five: those in time are shown, and the frames between are warped from the nearest."""
    steps = [*frames(range(10, 21), asked=(10, 15, 20)), drawn(10, 0.39), drawn(15, 0.45), drawn(20, 0.83)]
    bases = [10, 10, 10, 15, 15, 15, 15, 15, 15, 15, 15]
    wanted = [(round(n * 0.04, 3), base) for n, base in zip(range(10, 21), bases, strict=True)]
    wanted[-1] = (0.82, 15)  # in place of a frame that did not come within 20 ms
    assert shown(browser, steps) == wanted


def test_a_rendered_frame_may_come_a_little_late(browser: Browser) -> None:
    steps = [*frames(range(10, 13), asked=range(10, 13)), drawn(10, 0.39), drawn(11, 0.455), drawn(12, 0.48)]
    assert shown(browser, steps) == [(0.40, 10), (0.455, 11), (0.48, 12)]


def test_without_points_only_rendered_frames_are_shown_however_late(browser: Browser) -> None:
    steps = [*frames(range(10, 19), asked=(10, 14), shape=False), drawn(10, 0.45, False), drawn(14, 0.7, False)]
    assert shown(browser, steps) == [(0.45, 10), (0.70, 14)]


def test_an_old_frame_is_not_warped(browser: Browser) -> None:
    assert shown(browser, [drawn(10, 0.39), *frames([10, 59, 61], asked=[10])]) == [(0.4, 10), (2.36, 10)]


def test_if_all_frames_are_late_only_the_last_is_shown(browser: Browser) -> None:
    late = [step | {"at": 0.5} for step in frames(range(10, 13))]
    assert shown(browser, [drawn(9, 0.37), *late]) == [(0.37, 9), (0.5, 9)]


def test_a_machine_that_is_late_warps_fewer_frames(browser: Browser) -> None:
    """Frames are announced 30 ms after they were due: only one in three is warped."""
    late = [step | {"at": step["due"] + 0.03} for step in frames(range(10, 20))]
    assert [round(at - 0.03, 3) for at, _ in shown(browser, [drawn(9, 0.37), *late])[1:]] == [0.48, 0.6, 0.72]


def test_no_earlier_frame_is_shown_after_the_camera_went_off(browser: Browser) -> None:
    off = {"kind": "hide", "at": 0.4, "due": 0.47}
    steps = [*frames([10, 11], asked=[10, 11]), off, drawn(10, 0.39), drawn(11, 0.5), *frames([20], asked=[20]), drawn(20, 0.7)]
    assert shown(browser, steps) == [(0.4, 10), (0.46, 10), (0.47, None), (0.8, 20)]


def test_frames_of_the_previous_person_are_not_warped(browser: Browser) -> None:
    steps = [drawn(10, 0.39), *frames([10, 13], asked=[10]), {"kind": "reset", "at": 0.45, "due": 0}]
    assert shown(browser, steps) == [(0.4, 10)]


def test_rendered_frames_are_counted_separately(browser: Browser) -> None:
    steps = frames(range(10, 60), asked=range(10, 60, 5)) + [drawn(n, n * 0.04 - 0.01) for n in range(10, 60, 5)]
    assert browser.ask("presenter", steps=steps, until=2.39)["fps"] == {"shown": 25, "drawn": 5}
