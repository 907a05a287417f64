"""The batches of GPU training, made from a prepared cache on the CPU."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.cache import Cache
from models.gpu_training.cached import DeformingSampler, footage
from models.gpu_training.draw import GpuSampler
from models.training.trainer import TrainConfig, Trainer


def test_frames_equal_those_of_the_cache(cache):
    kept = Cache(cache / "train")
    made = footage(kept)
    rows = torch.tensor([[3, 40], [0, 71]])
    assert torch.equal(made.coarse[rows][1, 1], torch.from_numpy(kept.coarse[71].transpose(2, 0, 1)))
    assert torch.equal(made.full[torch.tensor([40])][0], torch.from_numpy(kept.rgb256(40)))
    assert [span.frames for span in made.clips] == [clip.frames for clip in kept.clips]
    assert np.array_equal(made.points.numpy(), kept.points)


def test_a_batch_is_a_function_of_its_number(cache):
    a, b = (DeformingSampler(Cache(cache / "train"), batch=3, seed=1) for _ in range(2))
    a.draw(0)
    first, second, other = a.draw(7), b.draw(7), b.draw(8)
    for name in ("keyframe", "truth", "pictures", "mel", "detail", "boxes", "shape"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(second.truth, other.truth)


def test_plain_samples_are_the_frames_of_the_cache(cache):
    """The GPU sampler returns the cache's own frames as truth."""
    kept = Cache(cache / "train")
    sampler = GpuSampler(footage(kept))
    wanted = sampler.draw_wanted(4)
    batch = sampler.batch(wanted, plain=True)
    truth = np.stack([kept.rgb256(clip.start) for clip in (kept.clips[i] for i in wanted.clip)])
    own = np.stack([kept.rgb256(int(row)) for row in wanted.frame])
    assert np.abs(batch.truth.permute(0, 2, 3, 1).numpy() * 255 - own).max() < 1
    assert np.abs(own.astype(int) - truth).max() > 1, "the sample must contain frames other than first frames"


def trained(cache, weights, start, out, stops):
    """Train the stage ``further`` with two batches of one sample a step, resuming at each of ``stops``."""
    sampler = DeformingSampler(Cache(cache / "train"), batch=1, seed=0)
    for stop in stops:
        trainer = Trainer(TrainConfig("further", cache, weights, out, 6, 1, threads=1, crop=64, batches=2, deformed=True), start)
        while trainer.step < stop:
            trainer._train_step([sampler.draw(2 * trainer.step + part) for part in (0, 1)])
            trainer.step += 1
        trainer.save()
    return trainer.ema.model.state_dict()


def test_further_resumes_exactly_where_it_stopped(cache, perceptual_weights, start, tmp_path):
    straight = trained(cache, perceptual_weights, start, tmp_path / "a", [2])
    resumed = trained(cache, perceptual_weights, start, tmp_path / "b", [1, 2])
    assert [name for name in straight if not torch.equal(straight[name], resumed[name])] == []
    begun = torch.load(start, weights_only=True)["ema"]
    assert sum(not torch.equal(straight[name], value) for name, value in begun.items()) > 50


def test_a_step_of_two_batches_follows_the_mean_of_both(cache, perceptual_weights, start, tmp_path):
    found = []
    batches = [DeformingSampler(Cache(cache / "train"), batch=1, seed=0).draw(i) for i in (0, 1)]
    for part, one in ((0, [batches[0]]), (1, [batches[1]]), (None, batches)):
        config = TrainConfig(
            "further", cache, perceptual_weights, tmp_path, 6, 1, threads=1, crop=64, batches=len(one), bf16=False
        )
        trainer = Trainer(config, start)
        trainer.clip = float("inf")
        loss = trainer.loss
        if part is not None:  # with the same crops as in the step of two batches

            def placed(batch, trainer=trainer, loss=loss, part=part):
                trainer.part = part
                return loss(batch)

            trainer.loss = placed
        trainer._train_step(one)
        found.append(trainer.model.get_parameter("generator.head.weight").grad.clone())
    assert torch.allclose(found[2], (found[0] + found[1]) / 2, rtol=1e-3, atol=1e-6)


def test_batches_of_one_step_have_different_crops(cache, perceptual_weights, start, tmp_path, monkeypatch):
    seeds = []
    real = np.random.default_rng
    noted = SimpleNamespace(default_rng=lambda seed: seeds.append(seed) or real(seed))
    monkeypatch.setattr("models.training.trainer.np", SimpleNamespace(random=noted))
    trained(cache, perceptual_weights, start, tmp_path, [1])
    assert seeds == [[0, 0], [0, 0, 1]]
