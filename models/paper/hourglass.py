"""The U-shaped network that FOMM's keypoint detector and dense motion share (Siarohin et al., NeurIPS 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """relu(bn(conv(x))), optionally enlarged ×2 (nearest) before or averaged 2×2 after."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, change: str = "") -> None:
        super().__init__()
        self.conv, self.norm, self.change = nn.Conv2d(cin, cout, kernel, padding=kernel // 2), nn.BatchNorm2d(cout), change

    def forward(self, x: Tensor) -> Tensor:
        if self.change == "up":
            x = F.interpolate(x, scale_factor=2.0)
        x = F.relu(self.norm(self.conv(x)))
        return F.avg_pool2d(x, 2) if self.change == "down" else x


class Hourglass(nn.Module):
    """(N, cin, H, W) → (N, ``width`` + cin, H, W); H and W are multiples of 2 ** ``depth``."""

    def __init__(self, cin: int, width: int, limit: int, depth: int = 5) -> None:
        super().__init__()
        widths = [min(limit, width * 2**i) for i in range(depth + 1)]
        self.downs = nn.ModuleList([ConvNorm(cin if i == 0 else widths[i], widths[i + 1], change="down") for i in range(depth)])
        self.ups = nn.ModuleList(
            [ConvNorm(widths[i + 1] * (1 if i == depth - 1 else 2), widths[i], change="up") for i in reversed(range(depth))]
        )
        self.channels = width + cin

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for down in self.downs:
            skips.append(down(skips[-1]))
        h = skips.pop()
        for rise in self.ups:
            h = torch.cat([rise(h), skips.pop()], 1)
        return h


class Shrink(nn.Module):
    """Gaussian blur and subsampling by 4, without aliasing: (N, 3, 256, 256) → (N, 3, 64, 64)."""

    def __init__(self, channels: int = 3, factor: int = 4) -> None:
        super().__init__()
        sigma, reach = (factor - 1) / 2, 2 * (factor - 1)
        line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float32) ** 2) / (2 * sigma**2))
        kernel = line[:, None] * line[None]
        weight = (kernel / kernel.sum()).expand(channels, 1, -1, -1).clone()
        self.register_buffer("weight", weight, persistent=False)
        self.channels, self.factor, self.reach = channels, factor, reach

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.reach,) * 4, mode="replicate")
        return F.conv2d(x, self.weight, stride=self.factor, groups=self.channels)  # type: ignore[arg-type]
