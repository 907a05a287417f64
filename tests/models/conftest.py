"""Fixtures of the networks' tests: a tiny prepared cache of smoothly moving colours, generated for each run."""

import json
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from codec.pictures.sampling import sample
from models.runtime.mel import BANDS


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tests share the machine with other work: on a busy machine, threads that wait for one another are many times slower."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _fp32():
    """Figures are compared in fp32, because bf16 rounding differs between processors. A test of bf16
    requests it explicitly."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("torch"):
            patch.setattr("models.training.precision.has_bf16", lambda kind: False)
        yield


def _write_split(folder, clips: int, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    yuv, coarse, small, mels, index = [], [], [], [], []
    y, x = np.mgrid[0:256, 0:256] / 256
    for clip in range(clips):
        phase, speed = rng.random(3) * 6, 0.2 + rng.random(3) * 0.2
        for frame in range(frames):
            waves = [np.sin(6 * x * (c + 1) + 4 * y + phase[c] + speed[c] * frame) for c in range(3)]
            rgb = np.uint8(np.stack(waves, -1) * 100 + 128)
            yuv.append(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420))
            coarse.append(cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA))
            small.append(sample(rgb))
        rows = 4 * frames + 1
        index.append({
            "name": f"{clip}.mp4", "identity": f"person{clip % 2}", "start": clip * frames, "frames": frames,
            "mel_start": clip * rows, "mel_frames": rows,
        })  # fmt: skip
        mels.append(rng.uniform(-1, 1, (rows, BANDS)).astype(np.float16))
    for name, arrays in (("yuv256", yuv), ("rgb64", coarse), ("ycc8", small)):
        np.save(folder / f"{name}.npy", np.stack(arrays))
    np.save(folder / "mel.npy", np.concatenate(mels))
    (folder / "index.json").write_text(json.dumps(index))


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory):
    """A cache with ``train`` (3 clips of 30 frames, 2 people) and ``dev`` (1 clip)."""
    folder = tmp_path_factory.mktemp("cache")
    _write_split(folder / "train", 3, 30, 1)
    _write_split(folder / "dev", 1, 30, 2)
    return folder


@pytest.fixture(scope="session")
def perceptual_weights(tmp_path_factory):
    """A folder with LPIPS state dicts of the right shapes and random weights: the real ones aren't part
    of facewire."""
    torch = pytest.importorskip("torch")
    from models.training.losses import _alexnet, _vgg16

    folder = tmp_path_factory.mktemp("lpips")
    torch.manual_seed(5)
    for net, (features, taps) in (("vgg16", _vgg16()), ("alexnet", _alexnet())):
        state = {f"features.{k}": v for k, v in features.state_dict().items()}
        h, widths = torch.zeros(1, 3, 64, 64), []
        for i, layer in enumerate(features):
            h = layer(h)
            if i in taps:
                widths.append(h.shape[1])
        state |= {f"lin{i}.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(widths)}
        torch.save(state, folder / f"lpips_{net}.pth")
    return folder
