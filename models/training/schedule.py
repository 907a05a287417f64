"""The learning rate over a run, and one optimiser step."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models.training.checkpoint import Ema

CLIP = 1.0
"""Largest norm of the gradient."""


def learning_rate(highest: float, step: int, done: float) -> float:
    """Rises over 150 steps or a twentieth of the run, whichever is shorter; falls to 3 % over the
    last two fifths."""
    fall = 1.0 if done < 0.6 else max(0.03, (1 - done) / 0.4)
    return highest * min(1.0, max((step + 1) / 150, done * 20)) * fall


def cosine_rate(highest: float, step: int, steps: int) -> float:
    """Rises over 50 steps; falls along a cosine to 1 % at the end of the run."""
    return highest * min(1.0, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def optimise(
    losses: Tensor | Iterable[Tensor], model: nn.Module, optimiser: torch.optim.Optimizer, average: Ema | None, step: int,
    clip: float = CLIP, share: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Take one optimiser step for a loss, or for the sum of several, each computed once the one before has been
    backpropagated; then update the average (None: there is none). A gradient that is not finite changes nothing.
    ``share``: called once the gradients are there, to average them where several processes train together."""
    optimiser.zero_grad(set_to_none=True)
    for loss in [losses] if isinstance(losses, Tensor) else losses:
        loss.backward()
    share()
    norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], clip)
    if torch.isfinite(norm):
        optimiser.step()
        if average:
            average.update(model, step)
