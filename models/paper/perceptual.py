"""FOMM's perceptual loss: differences of VGG features at several resolutions (Siarohin et al., NeurIPS 2019).

The paper and FOMM use VGG-19. It is replaced by VGG-16, whose weights are in the LPIPS file anyway,
and which has one convolution fewer in each of the last three of five blocks.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.training.losses import PerceptualDistance

SCALES = (1, 2, 4, 8)
"""Reductions at which the features are compared: FOMM's pyramid."""
TAPS = (1, 6, 11, 18, 25)
"""relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 among VGG-16's layers."""


class FeatureDistance(nn.Module):
    """Sum over :data:`TAPS` of the mean absolute difference of VGG-16 features, each with weight 1.

    ``path``: ``lpips_vgg16.pth``, of which only ``features.*`` is used. Inputs (B, 3, H, W) RGB in
    [0, 1], H and W at least 16; returns (B,). Raises ``FileNotFoundError`` and ``KeyError``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        whole: nn.Sequential = PerceptualDistance(path, "vgg16").features
        self.features = nn.Sequential(*list(whole)[: TAPS[-1] + 1])
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def _taps(self, image: Tensor) -> list[Tensor]:
        h, out = ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last), []  # type: ignore[operator]
        for i, layer in enumerate(self.features):
            h = layer(h)
            if i in TAPS:
                out.append(h)
        return out

    def forward(self, output: Tensor, truth: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._taps(truth)
        found = self._taps(output)
        return torch.stack([(a - b).abs().float().mean((1, 2, 3)) for a, b in zip(found, wanted, strict=True)]).sum(0)


def pyramid_loss(distance: Callable[[Tensor, Tensor], Tensor], output: Tensor, truth: Tensor) -> Tensor:
    """Sum over :data:`SCALES` of the batch's mean ``distance``."""
    total = output.new_zeros(())
    for scale in SCALES:
        a, b = (F.avg_pool2d(x, scale) if scale > 1 else x for x in (output, truth))
        total = total + distance(a, b).mean()
    return total
