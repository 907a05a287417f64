"""The face's points as training reads them: at frames or interpolated between ticks, with coding
losses, and with a moved keyframe."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.cache import Cache
from models.data.sampler import Sampler, example, mirrored, moved_keyframe
from models.data.shape_basis import Basis
from models.face.shape_points import COUNT, mirrored_points


@pytest.fixture
def cache(tiny_cache, tmp_path):
    """A cache whose clips have points that drift; the points of one frame are unknown."""
    folder = tmp_path / "train"
    shutil.copytree(tiny_cache / "train", folder)
    rng = np.random.default_rng(0)
    points = rng.uniform(60, 200, (90, 468, 2)) + np.arange(90)[:, None, None] / 10
    points[17] = 0
    np.save(folder / "points.npy", points.astype(np.float16))
    return Cache(folder)


def test_between_ticks_points_are_interpolated(cache):
    clip = cache.clips[0]
    at = [cache.shape(clip, frame) for frame in range(30)]
    assert np.array_equal(cache.shape(clip, 10, 0), at[10])
    assert np.allclose(cache.shape(clip, 12, 0), 0.6 * at[10] + 0.4 * at[15], atol=1e-6)
    assert np.allclose(cache.shape(clip, 29, 0), 0.2 * at[25] + 0.8 * at[29], atol=1e-6)
    assert not at[17].any()
    assert not cache.shape(clip, 15, 2).any()  # between 12 and 17


def test_a_cache_without_points_gives_zeros(tiny_cache):
    bare = Cache(tiny_cache / "train")
    assert not bare.shape(bare.clips[0], 3).any()
    assert Basis.of(bare) is None
    assert not Sampler(bare, 64, 2).draw(0).shape.any()


def test_the_sampler_withholds_the_points_of_some_samples(cache):
    sampler = Sampler(cache, 64, 40)
    shape = sampler.draw(1).shape
    assert shape.shape == (40, 2, COUNT, 2)
    known = shape.flatten(1).abs().amax(1) > 0
    assert 15 < int(known.sum()) < 40
    assert torch.equal(shape, sampler.draw(1).shape)


def test_a_basis_keeps_more_with_more_components_and_finer_steps(cache):
    basis = Basis.of(cache)
    assert np.allclose(basis.rows @ basis.rows.T, np.eye(2 * COUNT), atol=1e-4)
    moved = cache.points[3] - cache.points[40]
    errors = [np.abs(basis.coded(moved, count, step) - moved).max() for count, step in ((8, 0.01), (108, 0.05), (108, 1e-4))]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def test_a_mirrored_example_has_mirrored_points(cache):
    picked = example(cache, cache.clips[1], 3, 9, 64, None, 1)
    turned = mirrored(picked)
    assert np.array_equal(turned[6], mirrored_points(picked[6]))
    assert all(np.array_equal(a, b) for a, b in zip(mirrored(turned), picked, strict=True))


def test_the_points_of_a_moved_keyframe_move_with_it():
    y, x = np.mgrid[:256, :256]
    keyframe = np.repeat((255 * np.exp(-((x - 150) ** 2 + (y - 110) ** 2) / 40))[..., None], 3, 2).astype(np.uint8)
    point = np.full((COUNT, 2), ((150 + 0.5) / 128 - 1, (110 + 0.5) / 128 - 1), np.float32)
    picked = (keyframe, *[np.zeros(1)] * 5, np.stack([point, point]))
    for seed in range(4):
        moved = moved_keyframe(picked, np.random.default_rng(seed))
        brightest = np.unravel_index(moved[0][..., 0].argmax(), (256, 256))
        found = (np.array(brightest[::-1]) + 0.5) / 128 - 1
        assert np.abs(found - moved[6][0, 0]).max() < 2 / 128
        assert np.array_equal(moved[6][1], point)
