"""First Order Motion Model for image animation (Siarohin et al., NeurIPS 2019), as the paper applies
it to F_int.

Keypoints with Jacobians are found in the identity image and in each F_int; their local affine
motions, weighted by a dense-motion network, warp the identity's features; an occlusion map hides
what the identity doesn't show. In FOMM the generator makes the picture; in the paper (section
3.1.4) it makes a residual to F_int and a mask.

Coordinates are x then y in [-1, 1] at pixel centres (``align_corners=False``), as in
:func:`models.networks.blocks.warp`, and stay in float32 under autocast: bfloat16 would place a
keypoint only to half a pixel.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import base_grid
from models.paper.hourglass import ConvNorm, Hourglass, Shrink


@dataclass
class Keypoints:
    """``place`` (B, K, 2) in [-1, 1]; ``jacobian`` (B, K, 2, 2), the local affine map of each."""

    place: Tensor
    jacobian: Tensor

    def repeat(self, times: int) -> "Keypoints":
        """Each one ``times`` times in a row, for ``times`` frames of the same identity."""
        return Keypoints(self.place.repeat_interleave(times, 0), self.jacobian.repeat_interleave(times, 0))


@dataclass
class Motion:
    """``grid`` (B, 64, 64, 2): for each position of the frame its position in the identity image;
    ``occlusion`` (B, 1, 64, 64)."""

    grid: Tensor
    occlusion: Tensor


def in_float32(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def inverse2x2(m: Tensor) -> Tensor:
    """Inverse of (..., 2, 2) in closed form; a determinant near zero is moved away from it, so that no
    NaN reaches the optimiser."""
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    det = a * d - b * c
    det = torch.where(det.abs() < 1e-4, torch.where(det < 0, -1e-4, 1e-4).to(det.dtype), det)
    return torch.stack([d, -b, -c, a], -1).reshape(*m.shape[:-2], 2, 2) / det[..., None, None]


def gaussians(place: Tensor, side: int, variance: float = 0.01) -> Tensor:
    """A bump at each keypoint: (B, K, 2) → (B, K, side, side)."""
    grid = base_grid(side, side, place).to(place.dtype)
    return torch.exp(-0.5 * ((grid[:, None] - place[..., None, None]) ** 2).sum(2) / variance)


class KeypointDetector(nn.Module):
    """Images (B, 3, 256, 256) → :class:`Keypoints`: soft arg-max of K heatmaps at 64×64, Jacobians
    averaged under them."""

    def __init__(self, count: int, width: int, limit: int, temperature: float = 0.1) -> None:
        super().__init__()
        self.count, self.temperature = count, temperature
        self.shrink, self.body = Shrink(), Hourglass(3, width, limit)
        self.heat = nn.Conv2d(self.body.channels, count, 7, padding=3)
        self.jacobian = nn.Conv2d(self.body.channels, 4 * count, 7, padding=3)
        nn.init.zeros_(self.jacobian.weight)  # every Jacobian starts as the identity
        self.jacobian.bias.data.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]).repeat(count))  # type: ignore[union-attr]

    def forward(self, image: Tensor) -> Keypoints:
        h = self.body(self.shrink(image))
        heat, maps = self.heat(h).float(), self.jacobian(h).float()
        b, side = len(h), h.shape[-1]
        with in_float32(h.device):
            heat = torch.softmax(heat.flatten(2) / self.temperature, -1)
            place = heat @ base_grid(side, side, heat).reshape(1, 2, -1).transpose(1, 2)
            jacobian = (maps.reshape(b, self.count, 4, -1) @ heat[..., None])[..., 0]
        return Keypoints(place, jacobian.reshape(b, self.count, 2, 2))


class DenseMotion(nn.Module):
    """Identity image (N, 3, 256, 256), its keypoints (N) and those of T frames each (N·T) →
    :class:`Motion` at 64×64."""

    def __init__(self, count: int, width: int, limit: int) -> None:
        super().__init__()
        self.shrink = Shrink()
        self.body = Hourglass(4 * (count + 1), width, limit)
        self.mask = nn.Conv2d(self.body.channels, count + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.body.channels, 1, 7, padding=3)

    def forward(self, image: Tensor, identity: Keypoints, driving: Keypoints) -> Motion:
        times = len(driving.place) // len(image)
        identity, small = identity.repeat(times), self.shrink(image).float().repeat_interleave(times, 0)
        b, count, side = len(small), identity.place.shape[1], small.shape[-1]
        with in_float32(small.device):
            grid = base_grid(side, side, small).permute(0, 2, 3, 1)  # (1, H, W, 2)
            turn = identity.jacobian @ inverse2x2(driving.jacobian)
            # Near keypoint k: place in the identity = k's place there + J (z − k's place in the frame).
            away = grid[:, None] - driving.place[:, :, None, None]
            moved = torch.einsum("bkij,bkhwj->bkhwi", turn, away) + identity.place[:, :, None, None]
            moves = torch.cat([grid[:, None].expand(b, 1, -1, -1, -1), moved], 1)  # first: the background stays
            heat = gaussians(driving.place, side) - gaussians(identity.place, side)
            heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)
            each = small[:, None].expand(-1, count + 1, -1, -1, -1).flatten(0, 1)
            seen = F.grid_sample(each, moves.flatten(0, 1), padding_mode="border", align_corners=False)
        h = self.body(torch.cat([heat[:, :, None], seen.reshape(b, count + 1, 3, side, side)], 2).flatten(1, 2))
        weight = torch.softmax(self.mask(h).float(), 1)
        return Motion((moves * weight[..., None]).sum(1), torch.sigmoid(self.occlusion(h)))


class NormResidual(nn.Module):
    """x + conv(relu(bn(conv(relu(bn(x)))))), FOMM's bottleneck block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_a, self.a = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_b, self.b = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.relu(self.norm_b(self.a(F.relu(self.norm_a(x))))))


class ResidualGenerator(nn.Module):
    """Identity image (N, 3, 256, 256) and motion for T frames each → residual (N·T, 3, 256, 256) in
    (−1, 1) and mask."""

    def __init__(self, width: int, limit: int, blocks: int) -> None:
        super().__init__()
        a, b, c = (min(limit, width * 2**i) for i in range(3))
        self.encode = nn.Sequential(ConvNorm(3, a, 7), ConvNorm(a, b, change="down"), ConvNorm(b, c, change="down"))
        self.body = nn.Sequential(*[NormResidual(c) for _ in range(blocks)])
        self.decode = nn.Sequential(ConvNorm(c, b, change="up"), ConvNorm(b, a, change="up"))
        self.head = nn.Conv2d(a, 4, 7, padding=3)
        nn.init.normal_(self.head.weight, std=1e-3)  # F_hr starts as the pretrained F_int, not as noise on it
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, motion: Motion) -> tuple[Tensor, Tensor]:
        features = self.encode(image)  # once per identity, not per frame
        features = features.repeat_interleave(len(motion.grid) // len(image), 0)
        # In float32, which the grid needs; the next convolution casts it back.
        h = F.grid_sample(features.float(), motion.grid.float(), padding_mode="border", align_corners=False) * motion.occlusion
        h = self.head(self.decode(self.body(h))).float()
        return torch.tanh(h[:, :3]), torch.sigmoid(h[:, 3:])
