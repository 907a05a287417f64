"""Training of the frame interpolator on the cache's 8×8 pictures: ``python -m
models.training.interpolator CACHE OUT.pt``.

The whole set is a few tens of MB and is kept in memory. Each example is 25 consecutive frames of
one clip; the pictures are every fifth of them, ending with the last, quantised as in the codec; the
truth is all 25, unquantised.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codec.pictures.colour import ycbcr_to_rgb
from models.data.cache import Cache, quantise
from models.networks.interpolator import PICTURES, TICK, InterpolatorNet, linear_interpolate
from models.training.checkpoint import Ema
from models.training.schedule import cosine_rate, optimise
from models.whole_file import write_whole

WINDOW = PICTURES * TICK
JUDGED_STEP = 2
"""Quantiser step of the headline figure, as in :mod:`models.training.evaluate`."""


@dataclass(frozen=True)
class InterpolatorConfig:
    """A training run of ``steps`` optimiser steps; the rate falls along a cosine over them. About
    0.15 s a step on one core."""

    steps: int = 4000
    batch: int = 48
    rate: float = 3e-3
    last_weight: float = 8.0
    """Weight of the last group, the only one used in a call; the others each have 1."""
    seed: int = 0
    threads: int = 1


class Windows:
    """All windows of 25 consecutive frames that lie wholly within one clip of ``cache``. Raises ``ValueError`` where none do."""

    def __init__(self, cache: Cache) -> None:
        self.small = np.asarray(cache.small)
        starts = [np.arange(c.start, c.start + c.frames - WINDOW + 1) for c in cache.clips if c.frames >= WINDOW]
        if not starts:
            raise ValueError(f"no clip is {WINDOW} frames long")
        self.starts = np.concatenate(starts)

    def take(self, starts: np.ndarray, steps: np.ndarray) -> tuple[Tensor, Tensor]:
        """Windows at ``starts`` (B,), quantised at ``steps`` (B,) → pictures (B, 5, 3, 8, 8), truth
        (B, 25, 3, 8, 8)."""
        frames = self.small[starts[:, None] + np.arange(WINDOW)]
        sent = np.stack([quantise(w[TICK - 1 :: TICK], int(s)) for w, s in zip(frames, steps, strict=True)])
        return _rgb(sent), _rgb(frames)


def _rgb(ycbcr: np.ndarray) -> Tensor:
    return torch.from_numpy(ycbcr_to_rgb(ycbcr)).permute(0, 1, 4, 2, 3).float() / 255.0


def hold(pictures: Tensor) -> Tensor:
    """The newest picture known at each frame's time, held: (N, T, …) → (N, 5T, …). Before picture 0, picture 0."""
    before = torch.cat([pictures[:, :1], pictures[:, :-1]], 1)
    return torch.stack([before] * (TICK - 1) + [pictures], 2).flatten(1, 2)


@torch.no_grad()
def evaluate(model: nn.Module, windows: Windows, step: int, every: int = 5) -> dict[str, float]:
    """PSNR in dB, RGB at 8×8, of the last group's four inner frames, from pictures at quantiser ``step``.

    ``NAME`` is the PSNR of the pooled squared error; ``NAME_mean`` the mean over frames, each capped at 70 dB.
    """
    errors: dict[str, list[Tensor]] = {"held": [], "linear": [], "network": []}
    starts = windows.starts[::every]
    for chunk in np.array_split(starts, max(1, len(starts) // 256)):
        pictures, truth = windows.take(chunk, np.full(len(chunk), step))
        for name, out in (("held", hold(pictures)), ("linear", linear_interpolate(pictures)), ("network", model(pictures))):
            inner = (out - truth)[:, -TICK : WINDOW - 1] ** 2
            errors[name].append(inner.mean((2, 3, 4)).flatten())
    result = {"windows": float(len(starts))}
    for name, parts in errors.items():
        squared = torch.cat(parts)
        result[name] = round(float(-10 * torch.log10(squared.mean())), 3)
        result[f"{name}_mean"] = round(float((-10 * torch.log10(squared.clamp_min(1e-7))).mean()), 3)
    return result


def loss(model: nn.Module, pictures: Tensor, truth: Tensor, last_weight: float) -> Tensor:
    """Mean logarithm of the inner frames' squared errors, the last group's weighted ``last_weight``
    times the others'.

    A logarithm, because the evaluation is in decibels; with the plain error only the few windows with
    fast motion would count, and all the quiet ones would get noisier. Above about 50 dB a frame counts
    as good enough.
    """
    error = ((model(pictures) - truth) ** 2).mean((2, 3, 4)).reshape(-1, PICTURES, TICK)[..., :-1]
    weight = torch.ones(PICTURES)
    weight[-1] = last_weight
    return ((error + 1e-5).log().mean((0, 2)) * weight).sum() / weight.sum()


def train(cache: Path, out: Path, config: InterpolatorConfig) -> dict[str, object]:
    """Train on ``cache/train``, evaluate on ``cache/dev``; writes ``out`` (a state dict) and a
    ``.json`` next to it."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    windows, dev = (Windows(Cache(cache / s, in_memory=False)) for s in ("train", "dev"))
    model = InterpolatorNet()
    average = Ema(model, 0.995)
    optimiser = torch.optim.AdamW(model.parameters(), config.rate, weight_decay=1e-4)
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = cosine_rate(config.rate, step, config.steps)
        pictures, truth = windows.take(rng.choice(windows.starts, config.batch), rng.integers(1, 5, config.batch))
        if rng.random() < 0.5:
            pictures, truth = pictures.flip(-1), truth.flip(-1)
        value = loss(model, pictures, truth, config.last_weight)
        optimise(value, model, optimiser, average, step)
        if (step + 1) % 200 == 0:
            print(f"step {step + 1} loss {float(value):.4f} dev {evaluate(average.model, dev, JUDGED_STEP, 50)}", flush=True)
    model.load_state_dict(average.model.state_dict())
    result: dict[str, object] = {
        "config": asdict(config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "dev_psnr_db_by_step": {str(s): evaluate(model, dev, s) for s in (1, 2, 3, 4)},
    }
    write_whole(out, partial(torch.save, model.state_dict()))
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=InterpolatorConfig.steps)
    given = parser.parse_args()
    print(json.dumps(train(given.cache, given.out, InterpolatorConfig(steps=given.steps))["dev_psnr_db_by_step"]))
