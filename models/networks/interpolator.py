"""The paper's frame interpolator: 8×8 pictures at 5 FPS → 8×8 pictures at 25 FPS, by 3-D convolutions.

An encoder–decoder of 3-D convolutions, ≤ 0.2 M parameters (paper section 3.2, "frame interpolator")::

    pictures (N, 5, 3, 8, 8) ─┬─► 8×8 ─► 4×4 ─► 8×8 ─► four frames between each two ─► × mask ─┐
                              └─► linear interpolation ────────────────────────────────────────┴─► (N, 25, 3, 8, 8)

Output group ``i`` (frames 5i … 5i+4) is the tick that *ends* with picture ``i``: frame 5i+4 is
picture ``i`` itself, frame 5i+j lies (j+1)/5 of the way there from picture i−1. In a call only the
last group is used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PICTURES = 5
"""Pictures in a window: the paper's T."""
TICK = 5
"""Frames for each picture: 25 FPS over 5."""


def linear_interpolate(pictures: Tensor) -> Tensor:
    """Straight lines between the pictures: (N, T, 3, 8, 8) → (N, 5T, 3, 8, 8), in the pictures' own range.

    Frame 5i+4 is picture ``i`` bit for bit. Before picture 0 nothing is known, so group 0 holds it.
    """
    before = torch.cat([pictures[:, :1], pictures[:, :-1]], 1)
    # A sum of two products rather than a + w (b - a): with w = 1 it gives b exactly.
    groups = [before * (1 - (j + 1) / TICK) + pictures * ((j + 1) / TICK) for j in range(TICK)]
    return torch.stack(groups, 2).flatten(1, 2)


class _Residual(nn.Module):
    """x + conv3d(act(conv3d(act(x)))) at one scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv3d(channels, channels, 3, padding=1)
        self.b = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.leaky_relu(self.a(F.leaky_relu(x, 0.2)), 0.2))


class InterpolatorNet(nn.Module):
    """(N, 5, 3, 8, 8) RGB in [0, 1] at 5 FPS → (N, 25, 3, 8, 8) in [0, 1] at 25 FPS.

    It learns a residual to :func:`linear_interpolate`, which is zero at the pictures' own times by
    construction and zero everywhere before training. ``full`` and ``low`` are the channels at 8×8
    and at 4×4.
    """

    def __init__(self, full: int = 32, low: int = 40) -> None:
        super().__init__()
        self.enter = nn.Conv3d(6, full, 3, padding=1)
        self.down = nn.Conv3d(full, low, 3, (1, 2, 2), 1)
        self.middle = _Residual(low)
        self.rise = nn.Conv3d(low, full, 1)
        self.decode = _Residual(full)
        self.head = nn.Conv3d(full, 3 * TICK, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        own = torch.ones(1, TICK, 1, 1, 1, 1)
        own[:, TICK - 1] = 0
        self.register_buffer("mask", own, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        n, t = pictures.shape[:2]
        x = pictures.transpose(1, 2)
        # Differences between neighbours are small numbers: they are scaled up, or the picture would outweigh the motion.
        change = torch.cat([torch.zeros_like(x[:, :, :1]), x[:, :, 1:] - x[:, :, :-1]], 2)
        fine = F.leaky_relu(self.enter(torch.cat([x * 2 - 1, change * 8], 1)), 0.2)
        low = self.middle(self.down(fine))
        # Enlarged as 4-D: a 5-D Resize is slow or missing in some runtimes.
        c, side = low.shape[1], low.shape[-1]
        wide = F.interpolate(low.reshape(n, c * t, side, side), scale_factor=2.0, mode="bilinear", align_corners=False)
        fine = self.decode(fine + self.rise(wide.reshape(n, c, t, 2 * side, 2 * side)))
        residual = self.head(F.leaky_relu(fine, 0.2)).reshape(n, TICK, 3, t, 2 * side, 2 * side) * self.mask * 0.1
        frames = residual.permute(0, 3, 1, 2, 4, 5).reshape(n, t * TICK, 3, 2 * side, 2 * side)
        return (linear_interpolate(pictures) + frames).clamp(0, 1)
