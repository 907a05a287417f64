"""The learning rate over a run."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def learning_rate(highest: float, step: int, done: float) -> float:
    """Rises over 150 steps or a twentieth of the run, whichever is shorter; falls to 3 % over the
    last two fifths."""
    fall = 1.0 if done < 0.6 else max(0.03, (1 - done) / 0.4)
    return highest * min(1.0, max((step + 1) / 150, done * 20)) * fall


def cosine_rate(highest: float, step: int, steps: int) -> float:
    """Rises over 50 steps; falls along a cosine to 1 % at the end of the run."""
    return highest * min(1.0, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
