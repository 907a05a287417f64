"""``call`` and the paper's network, reduced, trained for the same time on the same machine and
data, and judged in the same way.

``python -m bench.picture.compare_networks CACHE LOSSES OUT --minutes M``: CACHE is a prepared data
set (:mod:`models.data.cache`), LOSSES holds ``lpips_vgg16.pth`` and ``lpips_alexnet.pth``. Each
network is trained from scratch for M minutes, divided equally among its stages. A run that was stopped
continues when it is started again with the same M. Writes ``OUT/comparison.json`` and
``OUT/comparison.md``.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from models.data.batch import WINDOW
from models.data.cache import Cache
from models.data.sampler import Prefetch
from models.export.cost import call_gflop, paper_gflop
from models.paper.network import PaperConfig
from models.paper.training import RATES, PaperTrainConfig, PaperTrainer
from models.paper.training import STAGES as PAPER_STAGES
from models.training.schedule import learning_rate
from models.training.stages import STAGES
from models.training.trainer import TrainConfig, Trainer

SAVE_SECONDS = 240.0
FRAMES = 1
"""Frames used of each window of five, for the paper's network: see :class:`models.paper.training.PaperTrainConfig`."""
BATCHES = {"backbone": 8, "finetune": 4}
"""Windows in a step of the paper's network: a step then takes about as long as one of ``call``."""


class ClockedCall(Trainer):
    """A stage of ``call`` whose learning rate depends on the time spent out of ``budget`` seconds."""

    budget = 1.0

    def _rate(self) -> float:
        return learning_rate(self.config.rate, self.step, self.seconds / self.budget)


class ClockedPaper(PaperTrainer):
    """The same for a stage of the paper's network."""

    budget = 1.0

    def _rate(self) -> float:
        return learning_rate(self.config.rate, self.step, self.seconds / self.budget)


def train_for(trainer: ClockedCall | ClockedPaper, seconds: float, say: Callable[[str], None]) -> None:
    """Train until ``seconds`` have been spent, over all resumed runs and with waiting for data included."""
    torch.set_num_threads(trainer.config.threads)
    trainer.budget, saved = seconds, trainer.seconds
    feed = Prefetch(trainer.sampler(Cache(trainer.config.cache / "train")), trainer.step)
    while trainer.seconds < seconds:
        began = time.perf_counter()
        parts = trainer._train_step([feed.next().to(trainer.device)])
        trainer.step += 1
        trainer.seconds += time.perf_counter() - began
        if trainer.step % 50 == 0:
            figures = "  ".join(f"{k} {v:.4g}" for k, v in parts.items())
            say(f"{trainer.config.stage} step {trainer.step}  {trainer.seconds / 60:.1f} minutes  {figures}")
        if trainer.seconds - saved > SAVE_SECONDS:
            trainer.save()
            saved = trainer.seconds
    trainer.save()


def _row(stages: Sequence[ClockedCall | ClockedPaper], frames: Sequence[int], gflop: float, dev: Cache) -> dict[str, Any]:
    last = stages[-1]
    return {
        "minutes": sum(s.seconds for s in stages) / 60, "steps": [s.step for s in stages],
        "frames_seen": sum(s.step * s.config.batch * f for s, f in zip(stages, frames, strict=True)),
        "parameters_millions": sum(p.numel() for p in last.model.parameters()) / 1e6, "gflop_per_frame": gflop,
        **last.evaluate(dev),
    }  # fmt: skip


def run_call(
    cache: Path, losses: Path, out: Path, minutes: float, threads: int, say: Callable[[str], None], sync: Path | None = None
) -> dict[str, Any]:
    """Train ``call`` with every stage of the shipped weights' recipe; returns its row of figures."""
    stages: list[ClockedCall] = []
    chosen = [s for s in STAGES.values() if s.name != "speech" or sync]
    for stage in chosen:
        config = TrainConfig(
            stage.name, cache, losses, out, batch=stage.batch, rate=stage.rate, perceptual=stage.perceptual,
            side=stage.side, crop=stage.crop, face=stage.face, sync=sync, threads=threads,
        )  # fmt: skip
        stages.append(ClockedCall(config, stages[-1].checkpoint if stages else None))
        train_for(stages[-1], minutes * 60 / len(chosen), say)
    return _row(stages, [WINDOW if s.name == "speech" else 1 for s in chosen], call_gflop(), Cache(cache / "dev"))


def run_paper(
    cache: Path, losses: Path, out: Path, minutes: float, threads: int, say: Callable[[str], None], sync: Path | None = None
) -> dict[str, Any]:
    """Train the paper's network at the reduced width, ``backbone`` then ``finetune``; returns its row of figures."""
    stages: list[ClockedPaper] = []
    for stage in PAPER_STAGES:
        config = PaperTrainConfig(
            stage, cache, losses, out, batch=BATCHES[stage], rate=RATES[stage], threads=threads, frames=FRAMES, sync=sync
        )
        stages.append(ClockedPaper(config, stages[0].checkpoint if stages else None))
        train_for(stages[-1], minutes * 60 / len(PAPER_STAGES), say)
    return _row(stages, [FRAMES, WINDOW if sync else FRAMES], paper_gflop(PaperConfig.reduced()), Cache(cache / "dev"))


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| network | minutes | steps | frames seen | M parameters | GFLOP a frame | PSNR | LPIPS |", "|---|" + "---:|" * 7]
    for name, r in rows.items():
        steps = " + ".join(str(s) for s in r["steps"])
        lines.append(
            f"| {name} | {r['minutes']:.1f} | {steps} | {r['frames_seen']} | {r['parameters_millions']:.1f} "
            f"| {r['gflop_per_frame']:.1f} | {r['psnr']:.2f} dB | {r['lpips']:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.picture.compare_networks", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True, help="of training, for each network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--sync",
        type=Path,
        help="the lip-sync expert: call's audio encoder starts from it, the paper's network is trained with it",
    )
    given = parser.parse_args()

    def say(line: str) -> None:
        print(line, flush=True)

    common = (given.minutes, given.threads, say)
    rows = {"call": run_call(given.cache, given.losses, given.out / "call", *common, given.sync)}
    say(table(rows))
    rows["paper, reduced"] = run_paper(given.cache, given.losses, given.out / "paper", *common, given.sync)
    say(table(rows))
    (given.out / "comparison.json").write_text(json.dumps(rows, indent=1) + "\n")
    (given.out / "comparison.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main()
