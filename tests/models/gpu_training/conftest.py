"""Generated clips, a cache prepared from them, and the pieces packed from both."""

import csv

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from models.data.cache import Cache, prepare
from models.gpu_training.pack import pack

FRAMES = 24


def _write_clip(path, seed: int) -> None:
    """Write a clip, 256×256 with a tone, of a skin-coloured blot that moves over stripes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264", rate=25, options={"crf": "20"})
        video.width = video.height = 256
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        where = rng.uniform(100, 150, 2)
        for _ in range(FRAMES):
            where += rng.normal(0, 3, 2)
            rgb = np.stack([90 + 60 * np.sin((x + y * c) / 20 + c) for c in (1, 2, 3)], -1)
            blot = np.exp(-((x - where[0]) ** 2 + (y - where[1]) ** 2) / 3000)[..., None]
            rgb = np.uint8(np.clip(rgb + blot * (np.array([230, 170, 140]) - rgb), 0, 255))
            container.mux(video.encode(av.VideoFrame.from_ndarray(cv2.GaussianBlur(rgb, (5, 5), 0), "rgb24")))
        tone = np.sin(np.arange(FRAMES * 640) * rng.uniform(0.1, 0.3)) * 0.5
        for at in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 1024].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, at
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of clips: three clips of two people for training, one clip for validation."""
    folder = tmp_path_factory.mktemp("data")
    rows = [("a1.mp4", "train", "a"), ("a2.mp4", "train", "a"), ("b.mp4", "train", "b"), ("c.mp4", "dev", "c")]
    with (folder / "clips.tsv").open("w") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["clip", "split", "identity", "frames", "seconds", "audio"])
        for seed, (clip, split, identity) in enumerate(rows):
            (folder / split).mkdir(exist_ok=True)
            _write_clip(folder / split / clip, seed)
            table.writerow([clip, split, identity, FRAMES, FRAMES / 25, 1])
    return folder


@pytest.fixture(scope="session")
def cache(data, tmp_path_factory):
    """A cache prepared from these clips, with points that drift; the points of one frame are unknown."""
    folder = tmp_path_factory.mktemp("prepared")
    for split in ("train", "dev"):
        prepare(data, folder, split)
        count = len(Cache(folder / split).yuv)
        points = np.random.default_rng(0).uniform(60, 200, (1, 468, 2)) + np.arange(count)[:, None, None] / 4
        points[17] = 0
        np.save(folder / split / "points.npy", points.astype(np.float16))
    return folder


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Weights to start from."""
    import torch

    from models.networks.face_upsampler import FaceUpsamplerNet

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("start") / "medium.pt"
    torch.save({"ema": FaceUpsamplerNet().state_dict()}, path)
    return path


@pytest.fixture(scope="session")
def pieces(data, cache, perceptual_weights, start, tmp_path_factory):
    """A folder of pieces."""
    folder = tmp_path_factory.mktemp("pieces")
    pack(data, cache, perceptual_weights, start, folder, first=16_000_000, most=60_000)
    return folder
