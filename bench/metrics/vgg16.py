"""VGG-16's five stages with L2 pooling: one pass serves both DISTS and the Fréchet distance."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.training.precision import has_bf16

STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of the convolutions in torchvision's ``features``; a stage ends with its last ReLU."""
WEIGHTS = "lpips_vgg16.pth"
"""A state dict with ``features.0.weight`` …: the one that comes with LPIPS, whose VGG-16 is
torchvision's for ImageNet."""


class Vgg16(nn.Module):
    """Images RGB (N, 3, H, W) in [0, 1] → relu1_2, 2_2, 3_3, 4_3, 5_3: (N, 64, H, W) … (N, 512, H/16, W/16).

    Max pooling is replaced by L2 pooling (root of the mean square under a 3×3 Hann window, stride
    2), as in DISTS: it does not alias. ``bf16``: rounded arithmetic, which halves the time where
    the CPU has it (AVX512-BF16) and changes DISTS by 0.001 at most. Raises ``FileNotFoundError``, and
    ``KeyError`` for a file that doesn't hold VGG-16.
    """

    def __init__(self, path: Path, bf16: bool = False) -> None:
        super().__init__()
        self.bf16 = bf16 and has_bf16("cpu")
        state = torch.load(path, weights_only=True, map_location="cpu")
        for number in (i for stage in STAGES for i in stage):
            for part in ("weight", "bias"):
                self.register_buffer(f"{part}{number}", state[f"features.{number}.{part}"])
        hann = torch.tensor([0.5, 1.0, 0.5])
        self.register_buffer("window", (hann[:, None] * hann[None, :] / 4)[None, None])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def _pool(self, x: Tensor) -> Tensor:
        window = self.get_buffer("window").expand(x.shape[1], 1, 3, 3)
        return (F.conv2d(x * x, window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()

    @torch.no_grad()
    def forward(self, images: Tensor) -> list[Tensor]:
        images = images.to(memory_format=torch.channels_last)  # a third faster on a CPU
        h, out = (images - self.get_buffer("mean")) / self.get_buffer("deviation"), []
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            for depth, stage in enumerate(STAGES):
                h = self._pool(h) if depth else h
                for number in stage:
                    h = F.relu(F.conv2d(h, self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}"), padding=1))
                out.append(h.float())
        return out
