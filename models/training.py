"""Training of ``call``: first ``coarse`` (motion and light at 64×64), then ``full`` (the picture at 256×256)."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.call import Call
from models.data import Cache
from models.evaluate import evaluate_coarse, evaluate_full
from models.losses import PerceptualDistance, consistency
from models.sampler import Batch, Prefetch, Sampler


@dataclass(frozen=True)
class TrainConfig:
    """A training run of ``steps`` optimiser steps over all resumes; the learning rate falls in the last two fifths.

    Nothing that is learnt depends on the clock, so a resumed run ends where an unbroken one would.
    """

    stage: str
    cache: Path
    weights: Path
    out: Path
    steps: int = 2000
    batch: int = 24
    rate: float = 6e-4
    perceptual: float = 0.6
    seed: int = 0
    threads: int = 2
    save_minutes: float = 4.0
    evaluate_minutes: float = 8.0
    crop: int = 128


FRESH = ("generator.", "identity.s128.")
"""What the coarse stage never ran: it starts anew in the full stage, in whatever shape."""
LEARNT_RATE = 0.2
"""Share of the learning rate for what the coarse stage has learnt. At the full rate and a third of the batch it was unlearnt:
both L1 and LPIPS on the training people rose by a tenth within 300 steps."""

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """Exponential moving average of the weights; it is what is judged and shipped."""

    def __init__(self, model: M, decay: float = 0.998) -> None:
        self.model: M = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        for a, b in zip(self.model.parameters(), model.parameters(), strict=True):
            a.lerp_(b, 1 - decay)


def coarse_loss(model: Call, batch: Batch, perceptual: PerceptualDistance, weight: float) -> tuple[Tensor, dict[str, float]]:
    """L1 on picture and warp, LPIPS-VGG on the warp of half the batch (so that the flow alone is good), 8×8 consistency."""
    out, warped, _ = model.coarse(batch.keyframe, batch.pictures, batch.mel)
    rec, warp = (out - batch.truth).abs().mean(), (warped - batch.truth).abs().mean()
    half = len(out) // 2
    seen = perceptual(warped[:half], batch.truth[:half]).mean()
    same = consistency(out, batch.truth)
    loss = 5 * rec + 10 * warp + weight * seen + 2 * same
    return loss, {"rec": rec.item(), "warp": warp.item(), "seen": seen.item()}


def full_loss(
    model: Call, batch: Batch, perceptual: PerceptualDistance, weight: float, crop: int, rng: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """At 256×256: L1 on picture and warp, LPIPS-VGG on a crop of ``crop`` pixels drawn from ``rng``, 8×8 consistency."""
    out, warped = model(batch.keyframe, batch.pictures, batch.mel)
    rec, warp = (out - batch.truth).abs().mean(), (warped - batch.truth).abs().mean()
    # The middle of the picture, where the face is, is drawn more often than the border.
    y, x = (int(v) for v in np.rint(rng.beta(1.5, 1.5, 2) * (256 - crop)))
    place = (..., slice(y, y + crop), slice(x, x + crop))
    seen = perceptual(out[place], batch.truth[place]).mean()
    # L1 weighted as heavily as the perceptual term raises PSNR and blurs.
    loss = 6 * rec + 3 * warp + weight * seen + 2 * consistency(out, batch.truth)
    return loss, {"rec": rec.item(), "warp": warp.item(), "seen": seen.item()}


class Trainer:
    """One run: its state is (model, average, optimiser, step, seconds) and can be saved and taken up again exactly."""

    def __init__(self, config: TrainConfig, start: Path | None = None) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = Call().to(self.device)
        for module in self.model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        if start:
            learnt = torch.load(start, weights_only=True, map_location=self.device)["ema"]
            own = {k: v for k, v in self.model.state_dict().items() if k.startswith(FRESH)}
            self.model.load_state_dict({k: v for k, v in learnt.items() if not k.startswith(FRESH)} | own)
        self.ema = Ema(self.model)
        fresh = [p for n, p in self.model.named_parameters() if n.startswith(FRESH)]
        learnt_ones = [p for n, p in self.model.named_parameters() if not n.startswith(FRESH)]
        scale = LEARNT_RATE if config.stage == "full" else 1.0
        groups = [{"params": fresh, "scale": 1.0}, {"params": learnt_ones, "scale": scale}]
        self.optimiser = torch.optim.AdamW(groups, config.rate, betas=(0.9, 0.99), weight_decay=1e-4)
        self.step, self.seconds = 0, 0.0
        self.checkpoint = config.out / f"{config.stage}.pt"
        if self.checkpoint.exists():
            self._load()
        self.perceptual = PerceptualDistance(config.weights / "lpips_vgg16.pth", "vgg16", 4).to(self.device).bfloat16()

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["rng"].cpu())

    def save(self) -> None:
        self.config.out.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint.with_suffix(".part")
        torch.save({
            "model": self.model.state_dict(), "ema": self.ema.model.state_dict(), "rng": torch.get_rng_state(),
            "optimiser": self.optimiser.state_dict(), "step": self.step, "seconds": self.seconds,
        }, part)  # fmt: skip
        part.replace(self.checkpoint)

    def _rate(self) -> float:
        done = self.step / self.config.steps
        fall = 1.0 if done < 0.6 else max(0.03, (1 - done) / 0.4)
        return self.config.rate * min(1.0, (self.step + 1) / 150) * fall

    def _train_step(self, batch: Batch) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate() * group["scale"]
        with torch.autocast(self.device.type, torch.bfloat16):
            if self.config.stage == "coarse":
                loss, parts = coarse_loss(self.model, batch, self.perceptual, self.config.perceptual)
            else:
                config = self.config
                rng = np.random.default_rng([config.seed, self.step])  # so that a resumed run draws the same crops
                loss, parts = full_loss(self.model, batch, self.perceptual, config.perceptual, config.crop, rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.ema.update(self.model, self.step)
        return parts

    def evaluate(self, dev: Cache) -> dict[str, float]:
        if self.config.stage == "coarse":
            return evaluate_coarse(self.ema.model, dev)
        judge = PerceptualDistance(self.config.weights / "lpips_alexnet.pth", "alexnet").to(self.device)
        return evaluate_full(self.ema.model, dev, judge)

    def run(self, report: Callable[[dict[str, float]], None] = lambda _: None) -> None:
        """Train until ``steps`` are done. Appends to ``STAGE.jsonl``; keeps ``STAGE.pt`` up to date."""
        config = self.config
        side = 64 if config.stage == "coarse" else 256
        train, dev = Cache(config.cache / "train"), Cache(config.cache / "dev")
        feed = Prefetch(Sampler(train, side, config.batch, config.seed), self.step)
        saved = judged = self.seconds
        config.out.mkdir(parents=True, exist_ok=True)
        sums: dict[str, float] = {}
        with (config.out / f"{config.stage}.jsonl").open("a") as log:
            while self.step < config.steps:
                began = time.perf_counter()
                batch = feed.next()
                batch = Batch(*(getattr(batch, n).to(self.device) for n in ("keyframe", "truth", "pictures", "mel")))
                for name, value in self._train_step(batch).items():
                    sums[name] = sums.get(name, 0.0) + value
                self.step += 1
                self.seconds += time.perf_counter() - began
                if self.step % 50 == 0:
                    row = {"step": self.step, "minutes": self.seconds / 60} | {k: v / 50 for k, v in sums.items()}
                    sums = {}
                    last = self.step >= config.steps
                    if self.seconds - judged > config.evaluate_minutes * 60 or last:
                        row |= self.evaluate(dev)
                        judged = self.seconds
                    log.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
                    log.flush()
                    report(row)
                if self.seconds - saved > config.save_minutes * 60:
                    self.save()
                    saved = self.seconds
        self.save()
        final = self.evaluate(dev) | {"step": self.step, "minutes": self.seconds / 60}
        settings = {k: str(v) for k, v in asdict(config).items()}
        (config.out / f"{config.stage}.json").write_text(json.dumps({"config": settings, "dev": final}, indent=1))
        report(final)
