"""Training of the paper's network: ``python -m models.paper.training CACHE LOSSES OUT --stage
backbone``, then ``finetune``.

First the backbone alone with L1 to the truth (Eq. 1), then everything end to end with the whole
objective (:mod:`models.paper.paper_losses`). CACHE is a prepared data set
(:mod:`models.data.cache`); LOSSES holds ``lpips_vgg16.pth`` and ``lpips_alexnet.pth``. L_region
needs ``regions.npy`` in the cache (:mod:`models.data.find_regions`), L_sync a trained expert
(:mod:`models.lipsync.trainer`); each is left out where that is missing.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.data.batch import WINDOW, Batch
from models.data.cache import Cache
from models.paper.evaluation import evaluate_paper
from models.paper.network import PaperConfig, PaperNetwork, parameter_counts
from models.paper.paper_losses import PaperLoss, backbone_loss
from models.paper.perceptual import FeatureDistance
from models.paper.sampler import WindowSampler
from models.training.checkpoint import averaged
from models.training.loop import Loop, LoopConfig
from models.training.losses import PerceptualDistance

if TYPE_CHECKING:
    from models.data.batch import MakeBatchSource

RATES = {"backbone": 1e-3, "finetune": 5e-4}
"""Learning rates of the stages."""
STAGES = tuple(RATES)
WIDTHS = {"full": PaperConfig.full, "reduced": PaperConfig.reduced}
_BACKBONE = ("visual.", "audio.", "structure.")


@dataclass(frozen=True)
class PaperTrainConfig(LoopConfig):
    """``batch`` counts windows of five frames. ``frames``: how many of each, drawn at random, are
    rendered and enter the loss.

    5 is the paper's. A window's frames are much alike: with 1 the losses are estimated without
    bias, and five times as many windows are seen in the same time. L_sync needs all five; where it
    is used, ``frames`` counts those that L_fomm uses, whose VGG at four resolutions costs three
    times as much as the reduced network.
    """

    network: PaperConfig = field(default_factory=PaperConfig.reduced)
    batch: int = 8
    rate: float = 5e-4
    frames: int = WINDOW
    sync: Path | None = None


class PaperTrainer(Loop[PaperTrainConfig, PaperNetwork]):
    """A stage's run; ``start`` is the backbone's checkpoint, for ``finetune``.

    Raises ``ValueError`` when a checkpoint is of another width and ``FileNotFoundError`` when a
    loss's network is missing.
    """

    def __init__(self, config: PaperTrainConfig, start: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        model = PaperNetwork(config.network)
        if start:
            weights = averaged(start)
            try:
                model.load_state_dict(model.state_dict() | {k: v for k, v in weights.items() if k.startswith(_BACKBONE)})
            except RuntimeError as error:
                raise ValueError(f"{start} is of another width") from error
        super().__init__(config, model)
        if config.stage == "finetune":
            # The objective's weights make norms of 1000 to 10 000 at first; only outliers are clipped.
            self.clip = 5000.0
            perceptual = FeatureDistance(config.weights / "lpips_vgg16.pth").to(self.device)
            if self.bf16:
                perceptual.bfloat16()
            self.objective = PaperLoss(perceptual, self._expert())

    def _expert(self) -> Any:
        if self.config.sync is None:
            return None
        from models.lipsync.syncnet import load_sync

        return load_sync(self.config.sync).to(self.device)

    def maker(self) -> "MakeBatchSource":
        return WindowSampler

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        # Seeded by the step's number, not by torch's state, so that a resumed run draws the same.
        rng = np.random.default_rng([self.group.seed(self.config.seed), self.step])
        windows = len(batch.keyframe)
        picked = np.stack([rng.permutation(WINDOW)[: self.config.frames] for _ in range(windows)])
        frames = torch.from_numpy(picked).to(self.device)
        at = (frames + WINDOW * torch.arange(windows, device=self.device)[:, None]).flatten()
        if self.config.stage == "backbone":
            loss = backbone_loss(self.model.backbone(batch.pictures, batch.mel, frames), batch.truth[at])
            return loss, {"rec": loss.item()}
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        boxes = batch.boxes if batch.boxes.any() else None
        if self.objective.sync:
            output = self.model(batch.keyframe, batch.pictures, batch.mel)
            return self.objective(self.model, output, batch.truth, batch.mel, boxes, at, generator)
        output = self.model(batch.keyframe, batch.pictures, batch.mel, frames)
        boxes = None if boxes is None else boxes[at]
        return self.objective(self.model, output, batch.truth[at], None, boxes, None, generator)

    def evaluate(self, dev: Cache) -> dict[str, float]:
        judge = PerceptualDistance(self.config.weights / "lpips_alexnet.pth", "alexnet").to(self.device)
        return evaluate_paper(self.ema.model, dev, judge, self.config.stage == "finetune", bf16=self.bf16)


def run_paper_training(
    cache: Path, losses: Path, out: Path, stage: str, width: str, steps: int, batch: int, rate: float | None, threads: int,
    sync: Path | None = None, say: Callable[[str], None] = print,
) -> dict[str, Any]:  # fmt: skip
    """Train ``stage`` to ``steps`` on the prepared data in ``cache``; a run found in ``out`` is resumed.

    ``batch`` counts windows of five frames; ``rate`` None takes the stage's own. Raises
    ``ValueError`` for an unknown stage or width or a checkpoint of another width,
    ``FileNotFoundError`` for missing data or weights or a missing backbone.
    """
    if stage not in STAGES:
        raise ValueError(f"stage {stage!r} is not backbone or finetune")
    if width not in WIDTHS:
        raise ValueError(f"width {width!r} is not full or reduced")
    if steps < 1 or batch < 1:
        raise ValueError(f"{steps} steps of {batch} windows: both must be at least 1")
    needed = [cache / split / "index.json" for split in ("train", "dev")]
    needed += [losses / "lpips_vgg16.pth", losses / "lpips_alexnet.pth", *([sync] if sync else [])]
    for path in needed:
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    start = out / "backbone.pt" if stage == "finetune" else None
    if start and not start.exists():
        raise FileNotFoundError(f"no such file: {start} (train --stage backbone first)")
    if stage == "finetune":
        if not (cache / "train" / "regions.npy").exists():
            say(f"without L_region: no regions.npy in {cache / 'train'} (python -m models.data.find_regions makes it)")
        if sync is None:
            say("without L_sync: no lip-sync expert given")
    torch.set_num_threads(threads)
    config = PaperTrainConfig(
        stage, cache, losses, out, steps=steps, batch=batch, rate=rate or RATES[stage], threads=threads, network=WIDTHS[width](),
        frames=WINDOW if width == "full" else 1, sync=sync,
    )  # fmt: skip
    trainer = PaperTrainer(config, start)
    say(f"{parameter_counts(trainer.model)['total'] / 1e6:.1f} M parameters (the paper: 143 M) on {trainer.device}")
    if trainer.step:
        say(f"going on from step {trainer.step}")
    last: dict[str, Any] = {}

    def report(row: dict[str, float]) -> None:
        last.update(row)
        say("  ".join(f"{k} {v:.4g}" for k, v in row.items()))

    trainer.run(report)
    return {"stage": stage, "width": width, "checkpoint": str(trainer.checkpoint), **last}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.paper.training", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stage", choices=STAGES, default="backbone")
    parser.add_argument("--width", choices=tuple(WIDTHS), default="reduced")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=PaperTrainConfig.batch, help="windows of five frames")
    parser.add_argument("--rate", type=float, help="learning rate; the stage's own by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sync", type=Path, help="a lip-sync expert's checkpoint; without one L_sync is left out")
    given = vars(parser.parse_args())
    try:
        run_paper_training(**given, say=lambda line: print(line, flush=True))
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
