"""The small network's training: it learns from the large one, and its shipped file can be trained further."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from models.data.cache import Cache
from models.distill import weights
from models.distill.__main__ import main
from models.distill.trainer import DistillConfig, Distiller
from models.distill.weights import FEATURES, NAME, load_call, load_small, write
from models.networks.face_upsampler import FaceUpsamplerNet
from models.networks.small import SHARED, SMALL, own_parameters
from models.runtime.upsampler import weights_folder
from models.runtime.weight_files import sha256


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr("models.distill.trainer.RANKING_SAMPLES", 2)


@pytest.fixture
def config(tiny_cache, perceptual_weights, tmp_path):
    def make(stage: str, steps: int) -> DistillConfig:
        return DistillConfig(
            stage, tiny_cache, perceptual_weights, tmp_path / "run", steps, 2, 3e-4, threads=1, log_steps=1, call=weights_folder()
        )

    return make


@pytest.mark.parametrize("stage", ["coarse", "full"])
def test_the_small_network_approaches_the_large_one(config, tiny_cache, stage):
    trainer = Distiller(config(stage, 10))
    batch = trainer.sampler(Cache(tiny_cache / "train")).draw(0)
    fixed = {n: p.clone() for n, p in trainer.model.named_parameters() if n.startswith(SHARED)}
    first = trainer.loss(batch)[1]["like"]
    for _ in range(6):
        trainer._train_step([batch])
        trainer.step += 1
    assert trainer.loss(batch)[1]["like"] < first
    moved = dict(trainer.model.named_parameters())
    assert all(torch.equal(moved[name], value) for name, value in fixed.items())


def test_the_command_trains_both_stages_and_resumes(tiny_cache, perceptual_weights, tmp_path, capsys):
    folders = [str(tiny_cache), str(perceptual_weights), str(tmp_path)]
    words = [*folders, "--call", str(weights_folder()), "--batch", "1", "--threads", "1"]
    for stage, steps in (("coarse", 1), ("coarse", 2), ("full", 1)):
        assert main([*words, "--stage", stage, "--steps", str(steps)]) == 0
    told = json.loads((tmp_path / "full.jsonl").read_text().splitlines()[-1])
    for name in ("psnr", "lpips", "shape_psnr", "call_psnr", "call_shape_lpips"):
        assert name in told
    coarse = [json.loads(line) for line in (tmp_path / "coarse.jsonl").read_text().splitlines()]
    assert [row["step"] for row in coarse] == [1, 1, 2, 2]
    assert "shape_psnr" in capsys.readouterr().out
    assert main([*words, "--stage", "coarse", "--call", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("distill: ")


def test_the_network_is_written_in_int8_and_can_be_read_back(config, tiny_cache, tmp_path, monkeypatch, capsys):
    for name in ("identity.onnx", "step.onnx"):
        shutil.copy(weights_folder() / name, tmp_path)
    trainer = Distiller(config("coarse", 1))
    trainer.save()
    path = write(trainer.checkpoint, tiny_cache, tmp_path, 3)
    assert path == tmp_path / NAME
    assert 1.5e6 < path.stat().st_size < 2e6
    made = onnx.load(path)
    assert {p.key: p.value for p in made.metadata_props}[FEATURES] == sha256(tmp_path / "identity.onnx")
    again, truth = load_small(path, load_call(tmp_path)), trainer.ema.model.state_dict()
    for name, value in again.named_parameters():
        assert torch.allclose(value, truth[name], atol=float(truth[name].abs().max()) / 120 + 1e-3), name

    other = FaceUpsamplerNet(SMALL)  # made for features that no file here provides
    torch.save({"ema": other.state_dict()}, tmp_path / "other.pt")
    assert weights.main([str(tmp_path / "other.pt"), str(tiny_cache), str(tmp_path)]) == 1
    assert "identity.onnx does not give" in capsys.readouterr().err
    with pytest.raises(ValueError, match="does not hold"):
        load_small(tmp_path / "identity.onnx", trainer.call)


def test_the_shipped_small_network_uses_the_shipped_features():
    made = onnx.load(weights_folder() / NAME)
    assert {p.key: p.value for p in made.metadata_props}[FEATURES] == sha256(weights_folder() / "identity.onnx")
    small = load_small(weights_folder() / NAME, load_call(weights_folder()))
    assert sum(p.numel() for p in own_parameters(small)) > 1.3e6
