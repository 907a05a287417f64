"""A run that was stopped and resumed ends with exactly the weights of an uninterrupted one."""

import pytest

torch = pytest.importorskip("torch")

from models.data.cache import Cache
from models.data.sampler import Sampler
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.trainer import TrainConfig, Trainer


def run(cache, weights, out, stage, stops):
    """Train to each step of ``stops``, saving and resuming from the file in between."""
    side = 64 if stage == "coarse" else 256
    sampler = Sampler(Cache(cache / "train"), side, 2, seed=3)
    trainer = None
    for stop in stops:
        trainer = Trainer(TrainConfig(stage, cache, weights, out, steps=6, batch=2, threads=1, crop=64))
        while trainer.step < stop:
            trainer._train_step([sampler.draw(trainer.step)])
            trainer.step += 1
        trainer.save()
    return trainer


@pytest.mark.parametrize("stage", ["coarse"])
def test_resume_is_exact(tiny_cache, perceptual_weights, tmp_path, stage):
    straight = run(tiny_cache, perceptual_weights, tmp_path / "a", stage, [4])
    resumed = run(tiny_cache, perceptual_weights, tmp_path / "b", stage, [2, 4])
    assert straight.step == resumed.step == 4
    for kind in ("model", "ema"):
        a = torch.load(tmp_path / "a" / f"{stage}.pt", weights_only=True)[kind]
        b = torch.load(tmp_path / "b" / f"{stage}.pt", weights_only=True)[kind]
        assert a.keys() == b.keys()
        assert [name for name in a if not torch.equal(a[name], b[name])] == []
    two = run(tiny_cache, perceptual_weights, tmp_path / "c", stage, [2])
    changed = [n for n, p in two.model.named_parameters() if not torch.equal(p, straight.model.get_parameter(n))]
    assert len(changed) > 50  # the last two steps had an effect


def test_batch_is_a_function_of_its_step(tiny_cache):
    cache = Cache(tiny_cache / "train")
    a, b, c = (Sampler(cache, 64, 3, seed).draw(7) for seed in (1, 1, 2))
    assert torch.equal(a.truth, b.truth)
    assert torch.equal(a.pictures, b.pictures)
    assert not torch.equal(a.truth, c.truth)
    assert a.keyframe.shape == a.truth.shape == (3, 3, 64, 64)
    assert a.pictures.shape == (3, 5, 3, 8, 8)
    assert a.mel.shape == (3, 20, 80)


def test_the_middle_picture_belongs_to_the_target_frame(tiny_cache):
    """Even when mirrored, the window's middle picture must look like the downscaled target. Otherwise
    nothing could be learnt."""
    batch = Sampler(Cache(tiny_cache / "train"), 64, 8, seed=4).draw(0)
    small = torch.nn.functional.avg_pool2d(batch.truth, 8)
    right = (batch.pictures[:, 2] - small).abs().mean((1, 2, 3))
    wrong = (batch.pictures[:, 2].flip(-1) - small).abs().mean((1, 2, 3))
    assert (right < 0.1).all()
    assert (right < wrong).all()


def test_the_coarse_stage_accepts_larger_pictures():
    """At 128×128 it gives the result of 64×64 in more detail: the same flow, applied to a more detailed
    keyframe."""
    torch.manual_seed(0)
    call = FaceUpsamplerNet().eval()
    torch.nn.init.normal_(call.predictor.flow64.weight, std=0.02)
    y, x = torch.meshgrid(torch.linspace(0, 3, 128), torch.linspace(0, 5, 128), indexing="ij")
    keyframe = torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] * 0.4 + 0.5
    pictures, mel = torch.rand(1, 5, 3, 8, 8), torch.zeros(1, 20, 80)
    with torch.no_grad():
        fine, _, _ = call.coarse(keyframe, pictures, mel)
        plain, _, _ = call.coarse(torch.nn.functional.avg_pool2d(keyframe, 2), pictures, mel)
    assert fine.shape == (1, 3, 128, 128)
    assert (torch.nn.functional.avg_pool2d(fine, 2) - plain).abs().mean() < 0.02
