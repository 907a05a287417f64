"""The losses of each stage of training, and their parts. The weight of LPIPS is in stages.py, the terms of speech are in
speech_losses.py, and the sum that was used for training on a GPU is in models/gpu_training/train.py.

The perceptual network's weights come from a file that the user names; they are not part of facewire.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batch import WINDOW, Batch
from models.networks.face_upsampler import FaceUpsamplerNet

SpeechTerm = Callable[[Tensor, Batch], tuple[Tensor, dict[str, float]]]
"""Output and batch → the loss of its mouths and motion, and its parts:
:class:`models.training.speech_losses.SpeechLoss`."""

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
    """LPIPS v0.1 (Zhang et al., CVPR 2018): ``vgg16`` as the training loss, ``alexnet`` for evaluation.

    ``path``: a file with the state dict, or the dict itself: ``features.*`` and ``lin0.weight`` …
    ``lin4.weight``. Inputs are NCHW RGB in [0, 1]; returns one value per pair. ``taps``: how many of
    the five feature levels are compared; the dict may lack deeper ones. Raises ``FileNotFoundError``
    and ``KeyError``.
    """

    def __init__(self, path: Path | dict[str, Tensor], net: str, taps: int = 5) -> None:
        super().__init__()
        state = path if isinstance(path, dict) else torch.load(path, weights_only=True)
        features, places = _vgg16() if net == "vgg16" else _alexnet()
        self.taps = places[:taps]
        self.features: nn.Sequential = features[: self.taps[-1] + 1].eval()  # type: ignore[assignment]
        self.features.load_state_dict({k: state[f"features.{k}"] for k in self.features.state_dict()})
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


LIPS = 0
"""Row of the lips in :attr:`models.data.batch.Batch.boxes`."""
EYES = 2
"""Row of the eyes."""


def inside(boxes: Tensor, side: int) -> Tensor:
    """Which pixels' centres lie within boxes (N, 4) in 256ths of the side: (N, side, side) bool."""
    at = (torch.arange(side, device=boxes.device) + 0.5) * (256 / side)
    x0, y0, x1, y1 = (v[:, None] for v in boxes.unbind(1))
    return ((at >= y0) & (at < y1))[:, :, None] & ((at >= x0) & (at < x1))[:, None, :]


def importance(boxes: Tensor, side: int) -> Tensor:
    """Weights (N, 1, side, side) of mean 1 for a loss: three times as much in lips and eyes as elsewhere.

    People look at mouths and eyes, which hardly count in a mean over the picture.
    """
    weight = torch.ones(len(boxes), side, side, device=boxes.device)
    for row in (LIPS, EYES):
        weight = weight + 2.0 * inside(boxes[:, row], side)
    return (weight / weight.mean())[:, None]


def crops(boxes: Tensor, crop: int, rng: np.random.Generator, side: int = 256, face: float = 2 / 3) -> list[tuple[int, int]]:
    """A place (y, x) to cut ``crop`` pixels for each sample: around its lips or eyes, with
    probability ``face``, or anywhere."""
    out = []
    for box in boxes.cpu().numpy() * (side / 256):
        y, x = rng.integers(0, side - crop + 1, 2)
        row = (LIPS, EYES)[int(rng.integers(2))] if rng.random() < face else None
        if row is not None and box[row].any():
            jitter = rng.normal(0, crop / 8, 2)
            y, x = (box[row][1::2].mean() + jitter[0] - crop / 2, box[row][::2].mean() + jitter[1] - crop / 2)
        out.append((int(np.clip(y, 0, side - crop)), int(np.clip(x, 0, side - crop))))
    return out


def cut(images: Tensor, places: list[tuple[int, int]], crop: int) -> Tensor:
    """The crops (N, C, crop, crop) at ``places``."""
    return torch.stack([image[:, y : y + crop, x : x + crop] for image, (y, x) in zip(images, places, strict=True)])


def consistency(output: Tensor, truth: Tensor) -> Tensor:
    """L1 between the 8×8 means of both: the output, averaged to 8×8, must match the sent picture."""
    side = output.shape[-1] // 8
    return (F.avg_pool2d(output, side) - F.avg_pool2d(truth, side)).abs().mean()


def coarse_loss(
    model: FaceUpsamplerNet, batch: Batch, perceptual: PerceptualDistance, weight: float, crop: int, rng: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """L1 on picture and warp, LPIPS-VGG on crops of half the batch's warps (so that the flow is
    good by itself), 8×8 consistency."""
    out, warped, _ = model.coarse(batch.keyframe, batch.pictures, batch.mel, batch.detail, batch.shape)
    where = importance(batch.boxes, out.shape[-1])
    rec, warp = ((x - batch.truth).abs().mul(where).mean() for x in (out, warped))
    half = len(out) // 2
    places = crops(batch.boxes[:half], crop, rng, out.shape[-1])
    seen = perceptual(cut(warped[:half], places, crop), cut(batch.truth[:half], places, crop)).mean()
    same = consistency(out, batch.truth)
    loss = 5 * rec + 10 * warp + weight * seen + 2 * same
    return loss, {"rec": rec.item(), "warp": warp.item(), "lpips": seen.item()}


def full_loss(
    model: FaceUpsamplerNet,
    batch: Batch,
    perceptual: PerceptualDistance,
    weight: float,
    crop: int,
    rng: np.random.Generator,
    face: float,
) -> tuple[Tensor, dict[str, float]]:
    """At 256×256: L1 on picture and warp, LPIPS-VGG on crops of ``crop`` pixels drawn from ``rng``,
    a share ``face`` of them around lips or eyes, 8×8 consistency."""
    out, warped = model(batch.keyframe, batch.pictures, batch.mel, batch.detail, batch.shape)
    return _picture_loss(out, warped, batch, perceptual, weight, crop, rng, face)


def _picture_loss(
    out: Tensor, warped: Tensor, batch: Batch, perceptual: PerceptualDistance, weight: float, crop: int,
    rng: np.random.Generator, face: float,
) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    where = importance(batch.boxes, out.shape[-1])
    rec, warp = ((x - batch.truth).abs().mul(where).mean() for x in (out, warped))
    places = crops(batch.boxes, crop, rng, face=face)
    seen = perceptual(cut(out, places, crop), cut(batch.truth, places, crop)).mean()
    # L1 weighted as heavily as the perceptual term raises PSNR and blurs.
    loss = 1.5 * rec + 3 * warp + weight * seen + 2 * consistency(out, batch.truth)
    return loss, {"rec": rec.item(), "warp": warp.item(), "lpips": seen.item()}


def speech_loss(
    model: FaceUpsamplerNet, batch: Batch, perceptual: PerceptualDistance, speech: SpeechTerm, weight: float, crop: int,
    rng: np.random.Generator, face: float,
) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """:func:`full_loss` of runs of five frames, plus the loss of their mouths and motion
    (:mod:`models.training.speech_losses`)."""
    parts = tuple(part.repeat_interleave(WINDOW, 0) for part in model.set_identity(batch.keyframe))
    out, warped = model.step(parts, batch.pictures, batch.mel, batch.detail, shape=batch.shape)
    loss, picture_terms = _picture_loss(out, warped, batch, perceptual, weight, crop, rng, face)
    more, speech_terms = speech(out, batch)
    return loss + more, picture_terms | speech_terms
