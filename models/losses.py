"""Losses. The perceptual network's weights come from a file that the user names; they are not part of facewire."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
_ALEX = ((3, 64, 11, 4, 2), 0, (64, 192, 5, 1, 2), 0, (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))


def _vgg16() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers: list[nn.Module] = []
    channels = 3
    for width in _VGG16:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers), (3, 8, 15, 22, 29)


def _alexnet() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers: list[nn.Module] = []
    for spec in _ALEX:
        layers += [nn.Conv2d(*spec), nn.ReLU()] if isinstance(spec, tuple) else [nn.MaxPool2d(3, 2)]
    return nn.Sequential(*layers), (1, 4, 7, 9, 11)


class PerceptualDistance(nn.Module):
    """LPIPS v0.1 (Zhang et al., CVPR 2018): ``vgg16`` as the training loss, ``alexnet`` to judge with.

    ``path`` is a state dict with ``features.*`` and ``lin0.weight`` … ``lin4.weight``. Inputs are NCHW RGB in [0, 1];
    gives one value per pair. ``taps`` limits how deep it looks. Raises ``FileNotFoundError`` and ``KeyError``.
    """

    def __init__(self, path: Path, net: str, taps: int = 5) -> None:
        super().__init__()
        state = torch.load(path, weights_only=True)
        features, places = _vgg16() if net == "vgg16" else _alexnet()
        features.load_state_dict({k[9:]: v for k, v in state.items() if k.startswith("features.")})
        self.taps = places[:taps]
        self.features: nn.Sequential = features[: self.taps[-1] + 1].eval()  # type: ignore[assignment]
        for i in range(taps):
            self.register_buffer(f"head{i}", state[f"lin{i}.weight"])
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def _normed(self, x: Tensor) -> list[Tensor]:
        h, out = (x * 2 - 1 - self.shift) / self.scale, []  # type: ignore[operator]
        for i, layer in enumerate(self.features):
            h = layer(h)
            if i in self.taps:
                f = h.float()
                # A reciprocal root, because a division costs three passes over the features in the backward direction.
                out.append(f * ((f * f).sum(1, keepdim=True) + 1e-8).rsqrt())
        return out

    def forward(self, output: Tensor, truth: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._normed(truth)
        total: Tensor | float = 0.0
        for i, (a, b) in enumerate(zip(self._normed(output), wanted, strict=True)):
            total = total + F.conv2d((a - b) ** 2, getattr(self, f"head{i}")).mean((1, 2, 3))
        return total  # type: ignore[return-value]


def consistency(output: Tensor, truth: Tensor) -> Tensor:
    """L1 between the 8×8 means of both: the output, averaged again, must be what was sent."""
    side = output.shape[-1] // 8
    return (F.avg_pool2d(output, side) - F.avg_pool2d(truth, side)).abs().mean()
