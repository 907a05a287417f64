"""The paper's visual encoder: 3-D convolutions with residual connections over a window of 8×8
pictures (section 3.1.1)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Residual3d(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))) over time and picture, size unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a, self.norm_a = nn.Conv3d(channels, channels, 3, padding=1), nn.BatchNorm3d(channels)
        self.b, self.norm_b = nn.Conv3d(channels, channels, 3, padding=1), nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm_b(self.b(F.relu(self.norm_a(self.a(x))))))


class VisualEncoder(nn.Module):
    """Pictures (N, T, 3, 8, 8) RGB in [0, 1] → f_v (N, T, ``channels[-1]``, 8, 8); neither time nor
    size is reduced.

    ``channels`` are the widths, each reached by a 3×3×3 convolution and followed by ``blocks``
    residual blocks. The paper fixes only the last one, 512.
    """

    def __init__(self, channels: Sequence[int], blocks: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in channels:
            layers += [nn.Conv3d(before, width, 3, padding=1), nn.BatchNorm3d(width), nn.ReLU()]
            layers += [Residual3d(width) for _ in range(blocks)]
            before = width
        self.net = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net(pictures.transpose(1, 2) * 2 - 1).transpose(1, 2)
