"""A GPU training run, here on the CPU: it learns, writes weights that training can start from, and keeps to its time."""

import json

import numpy as np
import pytest
import torch

from models.gpu_training.__main__ import main
from models.gpu_training.footage import load
from models.gpu_training.train import CONFIGS, GpuTrainConfig, GpuTrainer, cut, places, rate_at, run
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.checkpoint import learnt

CPU = torch.device("cpu")


def test_steps_lower_the_loss_and_start_from_the_packed_weights(pieces, start):
    footage = load(pieces, "train", CPU)
    trainer = GpuTrainer(GpuTrainConfig(batch=2, rate=1e-4), pieces, footage, None)
    begun, given = trainer.model.state_dict(), torch.load(start, weights_only=True)["ema"]
    assert all(torch.allclose(begun[k], v, atol=2e-3, rtol=1e-3) for k, v in given.items() if v.is_floating_point())
    batch = trainer.sampler.batch(trainer.sampler.draw_wanted(2))
    losses = []
    for _ in range(5):
        loss, _, each = trainer.loss(batch, 0.0)
        trainer.optimiser.zero_grad()
        loss.backward()
        trainer.optimiser.step()
        losses.append(each.mean().item())
    assert losses[-1] < losses[0]
    trainer.train_step(0, 0.0)
    assert trainer.seen.sum() == 2
    trainer.look_up_difficulty()
    assert trainer.seen.sum() == 1


def test_runs_write_weights_that_training_can_start_from(pieces, tmp_path):
    lines: list[str] = []
    configs = [GpuTrainConfig(name, minutes=0.001, batch=2) for name in CONFIGS]
    run(pieces, tmp_path, configs, lines.append, CPU)
    for name, config in CONFIGS.items():
        model = FaceUpsamplerNet(config)
        model.load_state_dict(learnt(tmp_path / f"{name}.pt", model.named_parameters()))
        told = json.loads((tmp_path / f"{name}.jsonl").read_text().splitlines()[-1])
        assert told["step"] >= 1
        assert told["shape_psnr"] > 5
    assert (tmp_path / "call.pt").stat().st_size < 16_000_000
    assert any(line.startswith("small:") for line in lines)


def test_the_learning_rate_rises_and_falls():
    rates = [rate_at(1.0, step, step / 1000) for step in range(1001)]
    assert rates[0] < 0.01
    assert rates[300] == 1
    assert rates[1000] == pytest.approx(0.02)


def test_crops_contain_unchanged_pixels():
    images = torch.rand(3, 3, 256, 256)
    corners = torch.tensor([[0.0, 0.0], [128.0, 128.0], [17.0, 90.0]])
    out = cut(images, corners, 128)
    for i, (x, y) in enumerate(corners.int().tolist()):
        assert torch.allclose(out[i], images[i, :, y : y + 128, x : x + 128], atol=1e-4)


def test_crops_are_centred_on_lips_and_eyes():
    boxes = torch.zeros(400, 4, 4)
    boxes[:200, 0] = torch.tensor([100.0, 180.0, 140.0, 200.0])
    boxes[:200, 2] = torch.tensor([90.0, 90.0, 160.0, 110.0])
    corners = places(boxes, 64, 1.0, np.random.default_rng(0))
    middle = corners[:200] + 32
    near = [(middle - torch.tensor(at)).norm(dim=1) < 40 for at in ((120.0, 190.0), (125.0, 100.0))]
    assert (near[0] | near[1]).float().mean() > 0.97
    assert corners[200:].std() > 40  # without a face, crops are anywhere
    assert corners.min() >= 0
    assert corners.max() <= 192


def test_the_command_reports_errors(tmp_path, capsys, monkeypatch):
    for words, told in ((["train", str(tmp_path), str(tmp_path)], "piece-0.tar"), (["rates"], "no CUDA GPU")):
        if words == ["rates"] and torch.cuda.is_available():
            continue
        monkeypatch.setattr("sys.argv", ["gpu_training", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 1
        assert told in capsys.readouterr().err
