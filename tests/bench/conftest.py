"""Fixtures of the bench's tests: a public-domain face, a short clip of it, and metric networks with
random weights."""

import math
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import file_frames, file_sound
from receiver.outputs.video_file import VideoFile

FRAMES = 43
"""Eight ticks and a part of a ninth."""
SPEAKS = 50
"""The frame from which the face in the clip speaks without a pause."""


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tests share the machine with other work: on a busy machine, threads that wait for one another are many times slower."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def faces() -> list[np.ndarray]:
    """The first frames of the shipped clip, RGB (256, 256, 3)."""
    return list(islice(file_frames(shipped_clip()), FRAMES))


@pytest.fixture(scope="session")
def data(faces, tmp_path_factory) -> Path:
    """A data folder whose dev split is 1.7 s of the shipped clip, with sound."""
    return _data(tmp_path_factory.mktemp("data"), faces, 0)


@pytest.fixture(scope="session")
def speaking(tmp_path_factory) -> Path:
    """A data folder as ``data``, made of 1.7 s in which the face speaks all the time."""
    return _data(tmp_path_factory.mktemp("speaking"), islice(file_frames(shipped_clip()), SPEAKS, SPEAKS + FRAMES), SPEAKS)


def _data(folder: Path, frames: Iterable[np.ndarray], first: int) -> Path:
    (folder / "dev").mkdir()
    video = VideoFile(folder / "dev" / "astronaut.mp4")
    for number, frame in enumerate(frames):
        video.frame(number, frame)
    video.sound(np.concatenate(list(file_sound(shipped_clip())))[first * 640 : (first + FRAMES) * 640])
    video.close()
    return folder


@pytest.fixture(scope="session")
def losses(tmp_path_factory) -> Path:
    """A folder with LPIPS, VGG-16 and DISTS state dicts of the right shapes and random weights: the real
    ones aren't part of facewire."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("losses")
    draw = torch.Generator().manual_seed(5)

    def conv(number: int, cin: int, cout: int, side: int) -> dict:
        weight = torch.randn(cout, cin, side, side, generator=draw) * (2 / (cin * side * side)) ** 0.5
        return {f"features.{number}.weight": weight, f"features.{number}.bias": torch.zeros(cout)}

    vgg, channels = {}, 3
    widths = dict.fromkeys((0, 2), 64) | dict.fromkeys((5, 7), 128) | dict.fromkeys((10, 12, 14), 256)
    for number, width in (widths | dict.fromkeys((17, 19, 21, 24, 26, 28), 512)).items():
        vgg |= conv(number, channels, width, 3)
        channels = width
    alex = {}
    layers = ((0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3))
    for i, (number, cin, cout, side) in enumerate(layers):
        alex |= conv(number, cin, cout, side) | {f"lin{i}.weight": torch.rand(1, cout, 1, 1, generator=draw)}
    torch.save(vgg, folder / "lpips_vgg16.pth")
    torch.save(alex, folder / "lpips_alexnet.pth")
    torch.save({k: torch.rand(1, 1475, 1, 1, generator=draw) for k in ("alpha", "beta")}, folder / "dists.pt")
    return folder


@pytest.fixture(autouse=True)
def _no_progress_lines(monkeypatch):
    """The number of progress lines depends on how busy the machine is. Only test_progress.py switches them on."""
    monkeypatch.setattr("bench.progress.EVERY", math.inf)
