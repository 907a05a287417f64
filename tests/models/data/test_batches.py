"""Training batches: larger pictures in addition to 8×8 ones, changed light, and weights and crops around lips and eyes."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F

from models.data import sampler
from models.data.augment import relight
from models.data.cache import Cache
from models.data.sampler import Sampler, example, mirrored
from models.training.losses import crops, cut, importance

LIPS = [[100, 160, 150, 190], [0, 0, 0, 0], [80, 90, 170, 110], [0, 0, 0, 0]]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_picture_and_detail_add_up_to_the_larger_picture(tiny_cache, size):
    cache = Cache(tiny_cache / "train")
    clip = cache.clips[0]
    _, truth, pictures, _, detail, *_ = example(cache, clip, 0, 12, 64, None, 1, size)
    shown = F.interpolate(torch.from_numpy(pictures[None, 2]).float(), size=64, mode="bilinear")[0] + torch.from_numpy(detail)
    wanted = F.interpolate(
        F.avg_pool2d(torch.from_numpy(truth).permute(2, 0, 1)[None].float() / 255, 64 // size), size=64, mode="bilinear"
    )[0]
    assert (shown - wanted).abs().mean() < 0.01
    assert np.abs(detail).mean() > 0.01


def test_a_larger_picture_between_ticks_is_interpolated(tiny_cache):
    cache = Cache(tiny_cache / "train")
    details = [example(cache, cache.clips[0], 0, f, 64, 0, 1, 16)[4] for f in (10, 12, 15)]
    exact = example(cache, cache.clips[0], 0, 12, 64, None, 1, 16)[4]
    assert np.abs(details[1] - exact).mean() > 1e-3  # motion isn't a straight line
    blend = details[0] * 0.6 + details[2] * 0.4
    assert np.abs(details[1] - blend).mean() < 0.02


def test_without_a_larger_picture_there_is_no_detail(tiny_cache, monkeypatch):
    monkeypatch.setattr(sampler, "DETAIL_SHARE", 0.0)
    assert not Sampler(Cache(tiny_cache / "train"), 64, 4).draw(0).detail.any()
    monkeypatch.setattr(sampler, "DETAIL_SHARE", 1.0)
    assert Sampler(Cache(tiny_cache / "train"), 64, 4).draw(0).detail.abs().mean((1, 2, 3)).min() > 0


def test_without_harder_samples_there_are_no_moved_keyframes_or_larger_pictures(tiny_cache, monkeypatch):
    monkeypatch.setattr("models.data.sampler.DETAIL_SHARE", 1.0)
    monkeypatch.setattr("models.data.sampler.MOVED_SHARE", 1.0)
    monkeypatch.setattr("models.data.sampler.relight", lambda batch, rng: batch)
    cache = Cache(tiny_cache / "train")
    hard, easy = (Sampler(cache, 64, 4, harder=harder).draw(0) for harder in (True, False))
    assert hard.detail.any()
    assert not easy.detail.any()
    frames = torch.from_numpy(cache.coarse[:].astype("float32") / 255)

    def in_cache(image):
        image = image.permute(1, 2, 0)
        return min(float((frames - seen).abs().mean((1, 2, 3)).min()) for seen in (image, image.flip(1))) < 0.05

    assert all(map(in_cache, easy.keyframe))
    assert not all(map(in_cache, hard.keyframe))


def test_mirroring_twice_changes_nothing(tiny_cache):
    cache = Cache(tiny_cache / "train")
    found = example(cache, cache.clips[0], 0, 9, 64, 0, 1, 16)
    picked = (*found[:5], np.array(LIPS), found[6])
    once = mirrored(picked)
    assert list(once[5][0]) == [106, 160, 156, 190]
    assert all(np.array_equal(a, b) for a, b in zip(mirrored(once), picked, strict=True))


def test_relighting_changes_pictures_in_the_same_way_as_their_frames(tiny_cache):
    batch = Sampler(Cache(tiny_cache / "train"), 64, 16, seed=3).draw(0)
    batch = replace(batch, keyframe=batch.keyframe * 0.5 + 0.2, truth=batch.truth * 0.5 + 0.2)
    batch = replace(batch, pictures=F.avg_pool2d(batch.truth, 8)[:, None].repeat(1, 5, 1, 1, 1))
    lit = relight(batch, np.random.default_rng(5))
    changed = (lit.truth - batch.truth).abs().mean((1, 2, 3)) > 0.01
    assert 4 <= int(changed.sum()) <= 14  # some keep their colours
    small = F.avg_pool2d(lit.truth, 8)
    inside = (lit.truth.amin((1, 2, 3)) > 0) & (lit.truth.amax((1, 2, 3)) < 1)
    assert int((inside & changed).sum()) >= 2
    assert (small - lit.pictures[:, 2])[inside].abs().max() < 0.02
    assert 0 <= lit.truth.min() <= lit.truth.max() <= 1


def test_lips_and_eyes_have_a_higher_weight():
    boxes = torch.tensor([LIPS, np.zeros((4, 4)).tolist()]).float()
    weight = importance(boxes, 64)
    assert weight.shape == (2, 1, 64, 64)
    assert torch.allclose(weight.mean((1, 2, 3)), torch.tensor([weight[0].mean(), weight[1].mean()]))
    assert weight.mean().item() == pytest.approx(1)
    assert (weight[0, 0, 44, 30] / weight[0, 0, 0, 0]).item() == pytest.approx(3)
    assert weight[1].std() < 1e-6


def test_crops_are_inside_the_picture_and_often_around_lips_and_eyes():
    boxes = torch.tensor([LIPS] * 300).float()
    places = crops(boxes, 96, np.random.default_rng(1))
    assert all(0 <= y <= 160 and 0 <= x <= 160 for y, x in places)
    around = [y < 175 < y + 96 and x < 125 < x + 96 for y, x in places]
    assert 0.3 < np.mean(around) < 0.8
    images = torch.arange(2 * 256 * 256).float().reshape(2, 1, 256, 256)
    assert cut(images, [(3, 5), (7, 0)], 96)[1, 0, 0, 0] == images[1, 0, 7, 0]
