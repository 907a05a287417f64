"""Structure and motion predictor: iterative up- and down-projection, 8×8 features → F_int at
256×256 (section 3.1.3).

The units are those of Deep Back-Projection Networks (Haris, Shakhnarovich, Ukita, CVPR 2018), dense
version: each unit takes all earlier features of its input's resolution, and the output is made from all
enlarged features. The paper doesn't say how 32× is reached; a single projection by 32 would need 36×36
kernels, so three stages are chained: ×4, ×4, ×2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_KERNEL = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
"""Kernel, stride and padding by scale, as in the DBPN paper."""


class _LeakyWithSlope(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor, slope: Tensor) -> Tensor:  # type: ignore[override]
        context.save_for_backward(x, slope)
        return F.leaky_relu(x, float(slope.detach()))

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x, slope = context.saved_tensors
        to_slope = (gradient * x.clamp_max(0)).float().sum().reshape(1).to(slope.dtype)
        return torch.ops.aten.leaky_relu_backward(gradient, x, float(slope), False), to_slope


class Prelu(nn.PReLU):
    """PReLU with one slope. On a CPU torch's own backward is four times as slow as this one, and took a
    seventh of a training step."""

    def forward(self, x: Tensor) -> Tensor:
        return _LeakyWithSlope.apply(x, self.weight) if x.device.type == "cpu" else super().forward(x)


class _Scale(nn.Module):
    """One strided convolution, up (transposed) or down, with PReLU."""

    def __init__(self, channels: int, scale: int, rising: bool) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if rising else nn.Conv2d
        self.conv, self.act = kind(channels, channels, *_KERNEL[scale]), Prelu()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


class Projection(nn.Module):
    """A DBPN unit: project to the other scale and back, project the error of that, too, and add it."""

    def __init__(self, cin: int, channels: int, scale: int, rising: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(cin, channels, 1), Prelu()) if cin != channels else nn.Identity()
        self.there = _Scale(channels, scale, rising)
        self.back = _Scale(channels, scale, not rising)
        self.again = _Scale(channels, scale, rising)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        there = self.there(x)
        return there + self.again(self.back(there) - x)


class ProjectionStage(nn.Module):
    """(N, cin, H, W) → (N, channels, scale·H, scale·W) by ``ups`` up- and ``ups − 1``
    down-projections, densely joined."""

    def __init__(self, cin: int, channels: int, scale: int, ups: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(cin, channels, 3, padding=1), Prelu())
        self.ups = nn.ModuleList([Projection(channels * max(1, i), channels, scale, True) for i in range(ups)])
        self.downs = nn.ModuleList([Projection(channels * (i + 1), channels, scale, False) for i in range(ups - 1)])
        self.leave = nn.Sequential(nn.Conv2d(channels * ups, channels, 1), Prelu())

    def forward(self, x: Tensor) -> Tensor:
        large = [self.ups[0](self.enter(x))]
        small: list[Tensor] = []
        for down, rise in zip(self.downs, self.ups[1:], strict=True):
            small.append(down(torch.cat(large, 1)))
            large.append(rise(torch.cat(small, 1)))
        return self.leave(torch.cat(large, 1))


class StructurePredictor(nn.Module):
    """f_cat (B, cin, 8, 8), time already in the batch → F_int (B, 3, 256, 256), about [0, 1].

    ``stages`` gives (channels, scale, ups) for each; the scales multiply to 32.
    """

    def __init__(self, cin: int, stages: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, scale, ups in stages:
            layers.append(ProjectionStage(cin, channels, scale, ups))
            cin = channels
        self.stages = nn.Sequential(*layers)
        # As DBPN's authors do. Torch's default shrinks the signal to nothing over so many layers without normalisation: the
        # output hardly depended on the pictures, and the encoders' gradient was 1e-4 of this one's.
        for module in self.stages.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self.head = nn.Conv2d(cin, 3, 3, padding=1)
        nn.init.constant_(self.head.bias, 0.5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x)).float()
