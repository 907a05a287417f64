"""Both networks are trained for a given time, resume where they stopped, and are listed in one table."""

import pytest

torch = pytest.importorskip("torch")

from bench.picture.compare_networks import ClockedCall, ClockedPaper, table, train_for
from models.data.batch import Batch
from models.paper.training import PaperTrainConfig, PaperTrainer
from models.training.schedule import learning_rate
from models.training.trainer import TrainConfig, Trainer


class Linear(torch.nn.Linear):
    def __init__(self) -> None:
        super().__init__(1, 1)


class Sampler:
    def draw(self, step):
        return Batch(*[torch.full((1, 1), float(step))] * 7)


def clocked(monkeypatch, tmp_path, kind):
    """A clocked trainer with a stand-in for the network, the data and the clock (one second a step); the rest is real."""
    clock = iter(range(10_000))
    monkeypatch.setattr("bench.picture.compare_networks.time.perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("bench.picture.compare_networks.Cache", lambda folder: None)
    for name, network in (
        ("models.training.trainer.FaceUpsamplerNet", Linear),
        ("models.paper.training.PaperNetwork", lambda _: Linear()),
    ):
        monkeypatch.setattr(name, network)
    monkeypatch.setattr("models.training.trainer.PerceptualDistance", lambda *_: torch.nn.Identity())
    for trainer in (Trainer, PaperTrainer):
        monkeypatch.setattr(trainer, "sampler", lambda self, cache: Sampler())
        monkeypatch.setattr(trainer, "loss", lambda self, batch: (self.model(batch.mel).abs().sum(), {"rec": 1.0}))
    if kind is ClockedCall:
        return ClockedCall(TrainConfig("coarse", tmp_path, tmp_path, tmp_path, threads=1))
    return ClockedPaper(PaperTrainConfig("backbone", tmp_path, tmp_path, tmp_path, threads=1))


@pytest.mark.parametrize("kind", [ClockedCall, ClockedPaper])
def test_the_time_of_a_stage_is_counted_across_resumes(monkeypatch, tmp_path, kind):
    said = []
    trainer = clocked(monkeypatch, tmp_path, kind)
    train_for(trainer, 60.0, said.append)
    assert trainer.step == trainer.seconds == 60  # a step takes one second of this clock
    assert len(said) == 1
    assert "step 50" in said[0]
    assert trainer._rate() == pytest.approx(learning_rate(trainer.config.rate, 60, 1.0))

    again = clocked(monkeypatch, tmp_path, kind)
    assert again.step == 60
    train_for(again, 60.0, said.append)
    assert again.step == 60
    train_for(again, 70.0, said.append)
    assert again.step == 70
    assert again._rate() < 0.05 * again.config.rate


def test_table():
    row = {
        "minutes": 60.04, "steps": [900, 300], "frames_seen": 24000, "parameters_millions": 7.37, "gflop_per_frame": 2.41,
        "psnr": 24.876, "lpips": 0.10341,
    }  # fmt: skip
    lines = table({"call": row}).splitlines()
    assert lines[-1] == "| call | 60.0 | 900 + 300 | 24000 | 7.4 | 2.4 | 24.88 dB | 0.1034 |"
    assert all(line.count("|") == lines[0].count("|") for line in lines)
