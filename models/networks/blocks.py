"""Building blocks shared by the networks, limited to what ONNX Runtime runs on CPU, CUDA and in a browser."""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResBlock(nn.Module):
    """x + conv(act(conv(act(x)))), without normalisation; the second convolution starts near zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.b.weight, std=0.1 * (9 * channels) ** -0.5)
        nn.init.zeros_(self.b.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.leaky_relu(self.a(F.leaky_relu(x, 0.2)), 0.2))


def zero_conv(cin: int, cout: int, bias: float = 0.0) -> nn.Conv2d:
    """A 3×3 convolution that starts as the constant ``bias``, for heads that should begin neutral."""
    conv = nn.Conv2d(cin, cout, 3, padding=1)
    nn.init.normal_(conv.weight, std=1e-3)
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]
    return conv


def unrounded(like: Tensor) -> AbstractContextManager[object]:
    """Within an autocast to 16 bits: a context for arithmetic in the tensors' own type."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def base_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Sampling positions of the identity transform: (1, 2, H, W), x then y in [-1, 1] at pixel centres."""
    y = (torch.arange(height, device=like.device, dtype=torch.float32) * 2 + 1) / height - 1
    x = (torch.arange(width, device=like.device, dtype=torch.float32) * 2 + 1) / width - 1
    return torch.stack([x[None].expand(height, width), y[:, None].expand(height, width)])[None]


def displaced(flow: Tensor) -> Tensor:
    """:func:`base_grid` + ``flow``, both (N, 2, H, W). The grid is built from a row and a column: exported
    whole it would take a third of a megabyte."""
    grid = base_grid(flow.shape[2], flow.shape[3], flow)
    across, down = grid[:, :1, :1], grid[:, 1:, :, :1]
    return flow.float() + torch.cat([across, across * 0], 1) + torch.cat([down * 0, down], 1)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Sample ``image`` (N, C, H, W) at base grid + ``flow`` (N, 2, H, W); flow is in half-sides (2
    = the whole width)."""
    grid = displaced(flow).permute(0, 2, 3, 1)
    out = F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return out.to(image.dtype)


def up(x: Tensor, factor: int) -> Tensor:
    """Bilinear enlargement by an integer factor."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class CrossAttention(nn.Module):
    """Each position of the frame attends to every position of the keyframe.

    Four heads. Returns the update (N, C, H, W) and, for each head, the expected displacement
    towards the keyframe, (N, 8, H, W), in the units of :func:`warp`.
    """

    HEADS = 4

    def __init__(self, channels: int, key_channels: int, size: int) -> None:
        super().__init__()
        self.size, self.width = size, key_channels // self.HEADS
        self.query = nn.Conv2d(channels, key_channels, 1)
        self.key = nn.Conv2d(key_channels, key_channels, 1)
        self.value = nn.Conv2d(key_channels, key_channels, 1)
        self.merge = nn.Conv2d(key_channels, channels, 1)
        # Strong enough that each position first attends to itself: displacements begin near zero, not at the middle.
        self.place_q = nn.Parameter(torch.randn(1, key_channels, size, size) * 1.1)
        self.place_k = nn.Parameter(self.place_q.detach().clone())
        grid = base_grid(size, size, self.place_q)
        self.register_buffer("grid", grid.clone(), persistent=False)

    def _split(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        return x.reshape(n, self.HEADS, self.width, self.size * self.size)

    def keys(self, identity: Tensor) -> tuple[Tensor, Tensor]:
        """What depends only on the keyframe: key and value, each (N, C, H, W)."""
        return self.key(identity) + self.place_k.to(identity.dtype), self.value(identity)

    def forward(self, x: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        n = x.shape[0]
        q = self._split(self.query(x) + self.place_q.to(x.dtype)).transpose(2, 3)
        weight = torch.softmax((q @ self._split(key)).float() * self.width**-0.5, dim=-1).to(x.dtype)
        found = (weight @ self._split(value).transpose(2, 3)).transpose(2, 3)
        update = self.merge(found.reshape(n, -1, self.size, self.size))
        grid: Tensor = self.grid  # type: ignore[assignment]
        with unrounded(x):  # a position rounded to bf16 would be half a pixel off
            places = weight.float() @ grid.reshape(1, 1, 2, -1).transpose(2, 3)
        shift = places.transpose(2, 3) - grid.reshape(1, 1, 2, -1)
        return update, shift.reshape(n, 2 * self.HEADS, self.size, self.size)


def channels_last(model: nn.Module) -> None:
    """Lay out the weights of 2-D convolutions as the fast kernels require."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
