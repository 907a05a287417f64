"""The paper's network learns from a cache, resumes exactly, and gets gradients from each of the four losses."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.cache import Cache
from models.lipsync.syncnet import SyncNet
from models.paper.evaluation import evaluate_paper
from models.paper.network import PaperConfig, PaperNetwork
from models.paper.paper_losses import LossWeights, PaperLoss
from models.paper.perceptual import FeatureDistance
from models.paper.sampler import WindowSampler, mirrored, window_example
from models.paper.training import PaperTrainConfig, PaperTrainer, run_paper_training
from models.training.evaluate import batches
from models.training.losses import PerceptualDistance

TINY = PaperConfig(
    visual=(8,), visual_blocks=1, audio=(8, 8, 8), stages=((8, 8, 2), (4, 4, 1)), keypoints=3, detector=(4, 8), motion=(4, 8),
    generator=(4, 8, 1),
)  # fmt: skip


def config(cache, weights, out, stage, **changes):
    settings = {"steps": 100, "batch": 1, "threads": 1, "frames": 1, "network": TINY} | changes
    return PaperTrainConfig(stage, cache, weights, out, **settings)


def trained(cache, weights, out, stage, stops, start=None):
    """Train to each step of ``stops``, saving and resuming from the file in between."""
    trainer = None
    for stop in stops:
        trainer = PaperTrainer(config(cache, weights, out, stage), start)
        sampler = trainer.sampler(Cache(cache / "train"))
        while trainer.step < stop:
            trainer._train_step([sampler.draw(trainer.step)])
            trainer.step += 1
        trainer.save()
    return trainer


class Coarse(torch.nn.Module):
    """Replaces VGG in training, because VGG takes a second a frame. VGG is tested separately below."""

    def __init__(self, _path):
        super().__init__()

    def forward(self, output, truth):
        return (torch.nn.functional.avg_pool2d(output - truth, 4)).abs().mean((1, 2, 3))


@pytest.fixture
def no_vgg(monkeypatch):
    monkeypatch.setattr("models.paper.training.FeatureDistance", Coarse)


@pytest.fixture(scope="module")
def backbone(tiny_cache, perceptual_weights, tmp_path_factory):
    """The checkpoint of a backbone trained for two steps."""
    return trained(tiny_cache, perceptual_weights, tmp_path_factory.mktemp("paper"), "backbone", [2]).checkpoint


@pytest.fixture
def example(tiny_cache):
    """(a tiny network, a batch of one window with boxes as of a face, the network's output for it)"""
    torch.manual_seed(1)
    batch = WindowSampler(Cache(tiny_cache / "train"), 1).draw(0)
    boxes = torch.tensor([[90, 170, 166, 210], [110, 110, 146, 160], [70, 80, 186, 110], [0, 0, 0, 0]]).float()
    network = PaperNetwork(TINY)
    return network, replace(batch, boxes=boxes.expand(5, 4, 4)), network(batch.keyframe, batch.pictures, batch.mel)


def test_batches_are_windows_and_a_function_of_their_step(tiny_cache):
    cache = Cache(tiny_cache / "train")
    a, b, c = (WindowSampler(cache, 2, seed).draw(7) for seed in (1, 1, 2))
    assert a.keyframe.shape == (2, 3, 256, 256)
    assert a.truth.shape == (10, 3, 256, 256)
    assert a.pictures.shape == (2, 5, 3, 8, 8)
    assert a.mel.shape == (2, 20, 80)
    assert a.boxes.shape == (10, 4, 4)
    assert torch.equal(a.truth, b.truth)
    assert torch.equal(a.mel, b.mel)
    assert not torch.equal(a.truth, c.truth)


def test_every_frame_of_a_window_is_its_picture(tiny_cache):
    """Mirrored, relit or interpolated, picture t must look like frame t downscaled, and less like the
    neighbouring frames."""
    batch = WindowSampler(Cache(tiny_cache / "train"), 6, seed=4).draw(0)
    small = torch.nn.functional.avg_pool2d(batch.truth, 32).unflatten(0, (6, 5))
    own = (batch.pictures - small).abs().mean()
    assert own < 0.06
    for other in (small.flip(1), small.flip(-1)):
        assert (batch.pictures - other).abs().mean() > 2 * own


def test_boxes_are_mirrored_with_the_frames(tiny_cache):
    cache = Cache(tiny_cache / "train")
    cache.regions = np.tile(np.array([[10, 20, 50, 60], [0, 0, 0, 0]], np.int16).repeat(2, 0), (90, 1, 1))
    window = window_example(cache, cache.clips[1], 0, 12, None, 1)
    turned = mirrored(window)
    assert turned[4][0].tolist() == [[206, 20, 246, 60]] * 2 + [[0, 0, 0, 0]] * 2
    assert np.array_equal(turned[1][2, 20:60, 206:246], window[1][2, 20:60, 10:50][:, ::-1])
    assert np.array_equal(mirrored(turned)[4], window[4])
    for middle in (1, 28):
        with pytest.raises(ValueError, match="no window"):
            window_example(cache, cache.clips[1], 0, middle, None, 1)


def test_selected_frames_of_a_window_equal_those_of_the_whole_window(example):
    network, batch, _ = example
    network.eval()
    with torch.no_grad():
        whole, some = (network(batch.keyframe, batch.pictures, batch.mel, frames) for frames in (None, torch.tensor([[3, 1]])))
    assert some.f_hr.shape == (2, 3, 256, 256)
    assert torch.allclose(some.f_hr, whole.f_hr[[3, 1]], atol=1e-5)
    assert torch.allclose(some.driving.place, whole.driving.place[[3, 1]], atol=1e-5)


def test_run_learns_logs_judges_and_saves(tiny_cache, perceptual_weights, tmp_path, monkeypatch):
    rows = []
    bare = replace(TINY, enlarged=False)  # for such smooth frames, the enlarged picture is already nearly right
    settings = config(tiny_cache, perceptual_weights, tmp_path, "backbone", steps=24, rate=3e-3, log_steps=8, network=bare)
    trainer = PaperTrainer(settings)
    sampler = trainer.sampler(Cache(tiny_cache / "train"))
    monkeypatch.setattr(sampler, "draw", lambda _: always)
    always = WindowSampler(sampler.cache, 1).draw(0)
    monkeypatch.setattr(trainer, "sampler", lambda _: sampler)
    final = trainer.run(rows.append)
    losses = [row["rec"] for row in rows if "rec" in row]
    assert len(losses) == 3
    assert losses[2] < losses[1] < losses[0]
    assert losses[2] < 0.95 * losses[0]  # in fp32 0.884 on AVX-512, 0.883 on AVX2
    assert set(final) == {"int_psnr", "int_lpips", "step", "minutes"}
    assert [json.loads(line)["step"] for line in (tmp_path / "backbone.jsonl").read_text().splitlines()] == [8, 16, 24, 24]
    assert json.loads((tmp_path / "backbone.json").read_text())["dev"]["step"] == 24
    assert torch.load(trainer.checkpoint, weights_only=True)["step"] == 24


def test_finetuning_starts_from_the_backbone_and_lowers_its_loss(tiny_cache, perceptual_weights, backbone, tmp_path, no_vgg):
    trainer = PaperTrainer(config(tiny_cache, perceptual_weights, tmp_path, "finetune", rate=1e-2), backbone)
    learnt = torch.load(backbone, weights_only=True)["ema"]
    assert torch.equal(trainer.model.structure.head.weight, learnt["structure.head.weight"])
    batch, weights = trainer.sampler(Cache(tiny_cache / "train")).draw(0), LossWeights()
    totals = []
    for _ in range(8):
        parts = trainer._train_step([batch])
        assert set(parts) == {"rec", "place", "jacobian", "perceptual"}  # no boxes, no expert
        totals.append(weights.rec * parts["rec"] + weights.perceptual * parts["perceptual"])
    assert min(totals[4:]) < 0.98 * totals[0]


def test_a_lip_sync_expert_sees_whole_windows(tiny_cache, perceptual_weights, backbone, tmp_path, no_vgg, monkeypatch):
    monkeypatch.setattr("models.lipsync.syncnet.load_sync", lambda _: SyncNet(width=2))
    trainer = PaperTrainer(config(tiny_cache, perceptual_weights, tmp_path, "finetune", sync=tmp_path / "sync.pt"), backbone)
    parts = trainer._train_step([trainer.sampler(Cache(tiny_cache / "train")).draw(0)])
    assert parts["sync"] > 0
    assert parts["perceptual"] > 0


@pytest.mark.parametrize("stage", ["backbone", "finetune"])
def test_resume_is_exact(tiny_cache, perceptual_weights, backbone, tmp_path, no_vgg, stage):
    start = backbone if stage == "finetune" else None
    straight = trained(tiny_cache, perceptual_weights, tmp_path / "a", stage, [2], start)
    resumed = trained(tiny_cache, perceptual_weights, tmp_path / "b", stage, [1, 2], start)
    assert straight.step == resumed.step == 2
    for kind in ("model", "ema"):
        a, b = (torch.load(t.checkpoint, weights_only=True)[kind] for t in (straight, resumed))
        assert a.keys() == b.keys()
        assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_each_of_the_four_losses_reaches_the_network(example, perceptual_weights):
    network, batch, output = example
    features, expert = FeatureDistance(perceptual_weights / "lpips_vgg16.pth").bfloat16(), SyncNet(width=2)
    none = LossWeights(0, 0, 0, 0, 0, 0)
    one, generator = torch.tensor([2]), torch.Generator()
    gradients = {}
    for name in ("rec", "perceptual", "region", "sync", "place", "jacobian"):
        objective = PaperLoss(
            features if name == "perceptual" else None, expert if name == "sync" else None, replace(none, **{name: 1.0})
        )
        with torch.autocast("cpu", torch.bfloat16):
            total, parts = objective(network, output, batch.truth, batch.mel, batch.boxes, one, generator.manual_seed(3))
        assert float(total.detach()) == pytest.approx(parts[name], rel=1e-3)
        assert parts[name] > 0
        network.zero_grad()
        total.backward(retain_graph=True)
        gradients[name] = {n: float(p.grad.abs().sum()) for n, p in network.named_parameters() if p.grad is not None}
    for name in ("rec", "perceptual", "region", "sync"):
        assert gradients[name]["structure.head.weight"] > 0, name
        assert gradients[name]["generator.head.weight"] > 0, name
    for name in ("place", "jacobian"):
        assert gradients[name]["detector.jacobian.bias" if name == "jacobian" else "detector.heat.weight"] > 0


def test_silent_windows_have_no_lip_sync_loss(example):
    network, batch, output = example
    _, parts = PaperLoss(sync=SyncNet(width=2))(network, output, batch.truth, torch.full_like(batch.mel, -1.0))
    assert set(parts) == {"rec", "place", "jacobian"}


def test_a_perfect_output_has_no_perceptual_loss(perceptual_weights):
    distance = FeatureDistance(perceptual_weights / "lpips_vgg16.pth")
    a, b = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    assert distance(a, a).tolist() == [0, 0]
    assert (distance(a, b) > 0).all()


def test_the_paper_network_is_judged_on_the_same_frames_as_call(tiny_cache, perceptual_weights):
    torch.manual_seed(2)
    dev = Cache(tiny_cache / "dev")
    judge = PerceptualDistance(perceptual_weights / "lpips_alexnet.pth", "alexnet")
    network = PaperNetwork(TINY).eval()
    figures = evaluate_paper(network, dev, judge)
    assert set(figures) == {"psnr", "lpips", "int_psnr", "int_lpips"}
    batch = next(batches(dev, 256, 25, 8))
    assert len(batch.truth) == 1
    with torch.no_grad():
        shown = network(batch.keyframe, batch.pictures, batch.mel).f_hr[2:3]
    wanted = -10 * torch.log10(((shown.clamp(0, 1) - batch.truth) ** 2).mean())
    assert figures["psnr"] == pytest.approx(float(wanted), abs=1e-3)


def test_errors_are_reported_in_one_line(tiny_cache, perceptual_weights, backbone, tmp_path):
    def run(cache=tiny_cache, losses=perceptual_weights, out=tmp_path, stage="backbone", width="reduced", steps=1, **more):
        return run_paper_training(cache, losses, out, stage, width, steps, 1, 1e-3, 1, say=lambda _: None, **more)

    for error, pattern, changes in (
        (ValueError, "stage 'coarse'", {"stage": "coarse"}),
        (ValueError, "width 'half'", {"width": "half"}),
        (ValueError, "at least 1", {"steps": 0}),
        (FileNotFoundError, "index.json", {"cache": tmp_path}),
        (FileNotFoundError, "lpips_vgg16.pth", {"losses": tmp_path}),
        (FileNotFoundError, "no such file: .*sync.pt", {"sync": tmp_path / "sync.pt"}),
        (FileNotFoundError, "backbone.pt .*--stage backbone first", {"stage": "finetune"}),
        (ValueError, "of another", {"out": backbone.parent}),
        (ValueError, "of another", {"out": backbone.parent, "stage": "finetune"}),
    ):
        with pytest.raises(error, match=pattern) as caught:
            run(**changes)
        assert "\n" not in str(caught.value)
