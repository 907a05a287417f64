"""Batches made on the GPU equal those of the sampler of single samples; a face's points are deformed together with it."""

import numpy as np
import pytest
import torch

from models.data.cache import Cache
from models.data.sampler import collate, example
from models.gpu_training.deform import Strength, draw_affine, draw_deformation, grid, take
from models.gpu_training.draw import GpuSampler, Wanted
from models.gpu_training.footage import Footage, Span, load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def kept(cache):
    return Cache(cache / "train")


@pytest.fixture(scope="module")
def footage(kept):
    """The cache's own frames, without a colour conversion."""
    full = torch.from_numpy(np.stack([kept.rgb256(at) for at in range(len(kept.yuv))]))
    coarse = torch.from_numpy(kept.coarse).permute(0, 3, 1, 2).contiguous()
    spans = [Span(c.name, c.identity, c.start, c.frames, c.mel_start, c.mel_frames, 0) for c in kept.clips]
    return Footage(
        spans, full, coarse, torch.from_numpy(kept.points), torch.from_numpy(kept.mel.astype(np.float32)), torch.eye(108)
    )


@pytest.mark.parametrize("phase", [None, 0, 3])
@pytest.mark.parametrize("size", [8, 16, 64])
def test_plain_samples_equal_those_of_the_cache(kept, footage, phase, size):
    clip, sampler, step = kept.clips[1], GpuSampler(footage), 2
    for frame in (0, 1, 11, clip.frames - 2, clip.frames - 1):
        one = collate([example(kept, clip, 5, frame, 256, phase, step, size, phase)])
        at = (1, clip.start + 5, clip.start + frame, -1 if phase is None else phase, step, size, -1 if phase is None else phase)
        batch = sampler.batch(Wanted(*(np.array([x]) for x in at)), plain=True)
        for name in ("keyframe", "truth", "mel", "shape"):
            assert torch.allclose(getattr(batch, name), getattr(one, name), atol=1e-5), name
        # 8×8 means are computed from 64×64 pixels here, and may be quantised to the neighbouring level.
        for name in ("pictures", "detail"):
            assert (getattr(batch, name) - getattr(one, name)).abs().max() < 3.5 * step / 255, name


def test_batches_are_determined_by_their_seed(footage):
    a, b, c = (GpuSampler(footage, seed) for seed in (1, 1, 2))
    first, same, other = (s.batch(s.draw_wanted(4)) for s in (a, b, c))
    assert torch.equal(first.truth, same.truth)
    assert torch.equal(first.shape, same.shape)
    assert not torch.equal(first.truth, other.truth)


def test_all_kinds_of_samples_occur(footage):
    sampler = GpuSampler(footage, 4)
    wanted = sampler.draw_wanted(400)
    begin = sampler.start[wanted.clip]
    own = (wanted.key >= begin) & (wanted.key < begin + sampler.frames[wanted.clip])
    assert 0.9 < own.mean() < 1  # the remaining keyframes are from another clip
    assert set(wanted.size) == {8, 16, 32, 64}
    assert set(wanted.phase) == {-1, 0, 1, 2, 3, 4}
    batch = sampler.batch(sampler.draw_wanted(32))
    known = batch.shape.abs().amax((1, 2, 3)) > 0
    assert 0 < known.sum() < 32
    assert batch.truth.min() >= 0
    assert batch.truth.max() <= 1
    assert all(torch.isfinite(getattr(batch, name)).all() for name in ("pictures", "mel", "detail", "shape", "boxes"))


def test_hard_clips_are_drawn_more_often(footage):
    sampler = GpuSampler(footage)
    sampler.note(np.array([1.0, 1.0, np.nan]))
    assert np.array_equal(sampler.difficulty, [1, 1, 1])
    sampler.note(np.array([0.1, 0.1, 10.0]))
    assert np.array_equal(sampler.difficulty, [0.5, 0.5, 2])
    assert (sampler.draw_wanted(600).clip == 2).mean() > 0.6


def test_points_move_with_the_pixels():
    """A dot at a point is, in the deformed picture, at the deformed point."""
    rng, points = np.random.default_rng(7), torch.zeros(6, 54, 2)
    points[:, :4] = torch.tensor([[-0.3, -0.2], [0.35, -0.25], [0.0, 0.1], [0.2, 0.4]])
    points[:, 4:] = points[:, 3:4]
    deformation = draw_deformation(rng, 6, 1.0, 0.5, Strength(), CPU)
    moved = deformation.points(points)
    assert set(deformation.flip.tolist()) == {-1.0, 1.0}
    places = grid(256, 6, CPU)
    for dot in range(54):
        images = torch.exp(-((places - points[:, dot, :, None, None]) ** 2).sum(1, keepdim=True) / 0.0008)
        seen = take(images, deformation.source(places))
        found = (seen * places).sum((2, 3)) / seen.sum((2, 3))
        # In a mirrored picture, the point has another index than `dot`.
        apart = (moved - found[:, None]).norm(dim=2).amin(1)
        assert apart.max() < 0.02, dot
        if dot == 3:
            break


def test_without_deformation_pictures_and_points_are_unchanged():
    rng = np.random.default_rng(0)
    images = torch.rand(2, 3, 64, 64)
    deformation = draw_deformation(rng, 2, 0.0, 0.0, Strength(), CPU)
    assert torch.allclose(take(images, deformation.source(grid(64, 2, CPU))), images, atol=1e-4)
    points = torch.rand(2, 54, 2) - 0.5
    assert torch.allclose(deformation.points(points), points, atol=1e-5)
    assert not deformation.points(torch.zeros(2, 54, 2)).any()


def test_an_affine_map_is_undone_by_its_inverse():
    affine = draw_affine(np.random.default_rng(1), np.ones(5, bool), Strength(0.5, 0.3, 0.2, 0.3), CPU)
    places = torch.rand(5, 2, 7)
    assert torch.allclose(affine.inverse()(affine(places)), places, atol=1e-5)


def test_sound_that_does_not_belong_to_the_face_becomes_silence(pieces):
    footage = load(pieces, "dev", CPU)
    heard = footage.clips[0]
    loud = GpuSampler(footage).sounds(np.array([0]), np.array([12]), np.array([14]))
    footage.clips[0] = Span(heard.name, heard.identity, 0, heard.frames, 0, heard.mel_frames, None)
    assert loud.max() > -0.5
    assert (GpuSampler(footage).sounds(np.array([0]), np.array([12]), np.array([14])) == -1).all()
