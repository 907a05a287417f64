"""One optimiser step, as every training here makes it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.training.checkpoint import Ema

CLIP = 1.0
"""Largest norm of the gradient."""


def optimise(
    loss: Tensor, model: nn.Module, optimiser: torch.optim.Optimizer, average: Ema | None, step: int, clip: float = CLIP,
    share: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Move the model against the gradient of ``loss``, and its average (None: there is none) after it; a gradient
    that is not finite changes nothing. ``share``: called with the gradients there, where several processes train
    together."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    share()
    norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], clip)
    if torch.isfinite(norm):
        optimiser.step()
        if average:
            average.update(model, step)
