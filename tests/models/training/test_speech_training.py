"""The speech stage: runs of frames of speaking people, and losses for lips, sync and motion."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.speech_sampler import SpeechSampler
from models.lipsync.syncnet import SyncNet
from models.training.speech_losses import SpeechLoss, SpeechWeights, motion_loss, mouth_error
from models.training.trainer import TrainConfig, Trainer


@pytest.fixture(scope="module")
def cache(tiny_cache, tmp_path_factory):
    """The tiny cache, with a mouth in the middle of every picture."""
    folder = tmp_path_factory.mktemp("speech")
    for split in ("train", "dev"):
        (folder / split).mkdir()
        for path in (tiny_cache / split).iterdir():
            (folder / split / path.name).symlink_to(path)
        frames = len(np.load(folder / split / "ycc8.npy", mmap_mode="r"))
        boxes = [[96, 150, 160, 190], [110, 100, 146, 150], [80, 80, 176, 100], [80, 60, 176, 76]]
        np.save(folder / split / "regions.npy", np.tile(np.int16(boxes), (frames, 1, 1)))
    return folder


@pytest.fixture
def expert(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "sync.pt"
    torch.save({"model": SyncNet(4).state_dict(), "width": 4, "times": 5}, path)
    return path


def test_batches_are_runs_of_one_clip_and_a_function_of_their_step(cache):
    a, b = (SpeechSampler(Cache(cache / "train"), 2, seed=s) for s in (1, 1))
    one, two, other = a.draw(3), b.draw(3), a.draw(4)
    assert one.keyframe.shape == (2, 3, 256, 256)
    assert one.truth.shape == (10, 3, 256, 256)
    assert one.pictures.shape == (10, 5, 3, 8, 8)
    assert one.mel.shape == (10, 20, 80)
    assert one.boxes.shape == (10, 4, 4)
    assert torch.equal(one.truth, two.truth)
    assert not torch.equal(one.truth, other.truth)


def test_every_frame_of_a_run_is_its_picture_and_follows_the_one_before(cache):
    """A run is relit and mirrored as a whole: each downscaled frame is its own middle picture, and
    successive frames are similar."""
    for step in range(4):
        batch = SpeechSampler(Cache(cache / "train"), 2, seed=2).draw(step)
        small = torch.nn.functional.avg_pool2d(batch.truth, 32)
        assert ((batch.pictures[:, 2] - small).abs().mean((1, 2, 3)) < 0.1).all()
        runs = batch.truth.unflatten(0, (2, 5))
        assert (runs.diff(dim=1).abs().mean((2, 3, 4)) < 0.15).all()
        assert batch.keyframe.is_contiguous(memory_format=torch.channels_last)


def test_speaking_people_are_preferred(cache, tmp_path):
    for path in (cache / "train").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "sync.json").write_text(json.dumps({"1.mp4": {"confidence": 0.3, "offset": 2}}))
    sampler = SpeechSampler(Cache(tmp_path), 2)
    rng = np.random.default_rng(0)
    assert {sampler.talker(rng).name for _ in range(20)} == {"1.mp4"}
    heard = [bool((sampler.draw(step).mel > -1).any()) for step in range(12)]
    assert sum(heard) > 6


def test_a_cache_without_a_long_enough_clip_is_refused(cache, tmp_path):
    for path in (cache / "train").iterdir():
        if path.name != "index.json":
            (tmp_path / path.name).symlink_to(path)
    clip = json.loads((cache / "train" / "index.json").read_text())[0] | {"frames": 4}
    (tmp_path / "index.json").write_text(json.dumps([clip]))
    with pytest.raises(ValueError, match="no clip is long enough"):
        SpeechSampler(Cache(tmp_path), 2)


def test_the_motion_loss_counts_only_changes_between_frames():
    torch.manual_seed(0)
    truth = torch.rand(10, 3, 16, 16)
    assert motion_loss(truth + 0.3, truth).item() == pytest.approx(0, abs=1e-6)
    still = truth[::5].repeat_interleave(5, 0)
    assert motion_loss(still, truth).item() == pytest.approx(truth.unflatten(0, (2, 5)).diff(dim=1).abs().mean().item())


def test_the_mouth_error_counts_only_the_lips():
    truth = torch.zeros(2, 3, 64, 64)
    boxes = torch.zeros(2, 4, 4)
    boxes[0, 0] = torch.tensor([64.0, 64.0, 128.0, 96.0])
    output = truth.clone()
    output[0, :, :16], output[1] = 1.0, 1.0  # above the lips of the first; the second has none
    assert mouth_error(output, truth, boxes).item() == 0
    output[0, :, 16:24, 16:32] = 0.5
    assert mouth_error(output, truth, boxes).item() == pytest.approx(0.25)


def test_each_loss_has_a_gradient_and_silence_has_no_sync_loss(cache, expert):
    batch = SpeechSampler(Cache(cache / "train"), 2, seed=5).draw(0)
    output = (batch.truth + 0.1 * torch.randn(batch.truth.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
    net = SyncNet(4)
    net.load_state_dict(torch.load(expert, weights_only=True)["model"])
    for name in ("lips", "sync", "motion", "mouth"):
        weights = SpeechWeights(**{n: float(n == name) for n in ("lips", "sync", "motion", "mouth")})
        loud = Batch(
            batch.keyframe, batch.truth, batch.pictures, batch.mel.clamp_min(-0.9), batch.detail, batch.boxes, batch.shape
        )
        total, parts = SpeechLoss(net, weights)(output, loud)
        (gradient,) = torch.autograd.grad(total, output)
        assert parts[name] == pytest.approx(total.item(), rel=1e-3)
        assert gradient.abs().sum() > 0, name
    silent = Batch(
        batch.keyframe, batch.truth, batch.pictures, torch.full_like(batch.mel, -1), batch.detail, batch.boxes, batch.shape
    )
    assert SpeechLoss(net)(output, silent)[1]["sync"] == 0
    perfect = SpeechLoss(net)(batch.truth, batch)[1]
    assert perfect["lips"] == perfect["motion"] == perfect["mouth"] == 0


def test_the_stage_trains_the_network_and_not_the_expert(cache, expert, perceptual_weights, tmp_path):
    config = TrainConfig("speech", cache, perceptual_weights, tmp_path, steps=4, batch=1, threads=1, crop=64, sync=expert)
    trainer = Trainer(config)
    before = [p.clone() for p in trainer.speech.expert.parameters()]
    moved = trainer.model.predictor.flow64.weight.clone()
    sampler = trainer.sampler(Cache(cache / "train"))
    for _ in range(2):
        parts = trainer._train_step([sampler.draw(trainer.step)])
        trainer.step += 1
    assert {"rec", "warp", "lpips", "lips", "sync", "motion", "mouth"} == set(parts)
    assert not torch.equal(moved, trainer.model.predictor.flow64.weight)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.speech.expert.parameters(), strict=True))
    with pytest.raises(ValueError, match="needs a trained lip-sync expert"):
        Trainer(TrainConfig("speech", cache, perceptual_weights, tmp_path / "b"))
