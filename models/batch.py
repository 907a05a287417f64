"""What a training step and a judgement are given."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Batch:
    """Keyframe and truth (N, 3, S, S), pictures (N, 5, 3, 8, 8), all in [0, 1]; mel (N, 20, 80); detail (N, 3, 64, 64).

    ``boxes`` (N, 4, 4) are the truth's lips, nose, eyes, eyebrows as x0, y0, x1, y1 in 256ths of its side; zeros where no
    face was found.
    """

    keyframe: Tensor
    truth: Tensor
    pictures: Tensor
    mel: Tensor
    detail: Tensor
    boxes: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))
