"""Landmark boxes of a prepared cache: a real face is found and framed, and only short gaps are interpolated."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")
import av
import cv2

from models.data.cache import Cache
from models.data.find_regions import EVERY, prepare_regions, spread
from models.data.regions import NAMES, boxes_of, load_regions

CLIP = Path(__file__).parents[3] / "bench" / "clips" / "astronaut.mp4"
FRAMES = 13


@pytest.fixture
def cache(tmp_path):
    """One clip of the astronaut's face, one without any face."""
    with av.open(str(CLIP)) as container:
        frames = [next(container.decode(video=0)).to_ndarray(format="rgb24") for _ in range(FRAMES)]
    frames = [cv2.resize(f, (256, 256), interpolation=cv2.INTER_AREA) for f in frames]
    frames += [np.full((256, 256, 3), 90, np.uint8)] * FRAMES
    np.save(tmp_path / "yuv256.npy", np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2YUV_I420) for f in frames]))
    np.save(tmp_path / "rgb64.npy", np.zeros((len(frames), 64, 64, 3), np.uint8))
    np.save(tmp_path / "ycc8.npy", np.zeros((len(frames), 8, 8, 3), np.uint8))
    np.save(tmp_path / "mel.npy", np.zeros((0, 80), np.float16))
    clip = {"frames": FRAMES, "mel_start": 0, "mel_frames": 0}
    clips = [clip | {"name": f"{i}.mp4", "identity": f"{i}", "start": i * FRAMES} for i in (0, 1)]
    (tmp_path / "index.json").write_text(json.dumps(clips))
    return tmp_path


def test_finds_the_face_and_nothing_else(cache):
    assert load_regions(cache) is None
    path = prepare_regions(cache)
    boxes = load_regions(cache)
    assert boxes.shape == (2 * FRAMES, 4, 4)
    assert boxes.dtype == np.int16
    assert not boxes[FRAMES:].any()
    lips, nose, eyes, brows = boxes[:FRAMES].transpose(1, 0, 2).astype(int)
    assert all(((b[:, 2:] - b[:, :2]) > 5).all() for b in (lips, nose, eyes, brows))
    assert boxes.min() >= 0
    assert boxes.max() <= 256
    middle = [(b[:, 1] + b[:, 3]) / 2 for b in (brows, eyes, nose, lips)]
    assert (np.diff(middle, axis=0) > 0).all()  # brows above eyes above nose above lips
    assert (eyes[:, 2] - eyes[:, 0] > lips[:, 2] - lips[:, 0]).all()
    assert np.array_equal(Cache(cache).boxes(3), boxes[3])
    before = path.stat().st_mtime_ns
    assert prepare_regions(cache) == path
    assert path.stat().st_mtime_ns == before
    assert not list(cache.glob("*.part*"))


def test_interpolates_over_short_gaps_only():
    def at(x):
        return np.full((len(NAMES), 4), x, np.float32)

    looked = [0, 5, 10, 15, 20, 25, 30, 32]
    out = spread(33, looked, [at(0), at(10), None, at(30), None, None, at(60), at(62.5)])[:, 0]
    assert [row[0] for row in out[:16]] == list(range(0, 32, 2))
    assert not out[16:30].any()
    assert out[31].tolist() == [61, 61, 62, 62]  # 61.25, rounded outwards
    assert out[32].tolist() == [62, 62, 63, 63]
    assert not spread(12, [0, EVERY, 11], [None, None, None]).any()


def test_boxes_have_a_margin_and_stay_inside():
    points = np.zeros((468, 3), np.float32)
    points[:, 0], points[:, 1] = 100, 200
    points[61, :2], points[291, :2] = (80, 200), (120, 200)
    lips = boxes_of(points)[0]
    assert lips[0] < 80
    assert lips[2] > 120
    assert lips[1] < 200 < lips[3]
    points[61, 0] = -30
    assert boxes_of(points)[0, 0] == 0
