"""Lip-sync expert: do these five frames' mouths and this sound belong together? (paper section 3.2, after Wav2Lip, 2020)

Trained first on real in-sync and shifted pairs with :func:`contrast_loss`, then frozen and used as L_sync.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2), nn.BatchNorm2d(cout), nn.ReLU())


class _Same(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class SyncNet(nn.Module):
    """Frames (N, T, 3, S, S) RGB in [0, 1] and log-mel (N, 4T, 80) → two embeddings (N, 16·width) without negative parts.

    Only the lower half of the face is looked at, at 48×96. ``width`` 32 gives Wav2Lip's 512 numbers. No entry is negative,
    so the cosine of two embeddings lies in [0, 1] and its logarithm is defined.
    """

    def __init__(self, width: int = 32, times: int = 5) -> None:
        super().__init__()
        w = width
        self.times = times
        self.face = nn.Sequential(
            _conv(3 * times, w, 7), _conv(w, 2 * w, 5, 2), _Same(2 * w), _conv(2 * w, 4 * w, 3, 2), _Same(4 * w),
            _conv(4 * w, 8 * w, 3, 2), _Same(8 * w), _conv(8 * w, 16 * w, 3, 2), _Same(16 * w),
        )  # fmt: skip
        self.sound = nn.Sequential(
            _conv(1, w, 3), _Same(w), _conv(w, 2 * w, 3, 2), _Same(2 * w), _conv(2 * w, 4 * w, 3, 2), _Same(4 * w),
            _conv(4 * w, 8 * w, 3, 2), _Same(8 * w), _conv(8 * w, 16 * w, 3, 2), _Same(16 * w),
        )  # fmt: skip
        self.face_out, self.sound_out = nn.Linear(16 * w, 16 * w), nn.Linear(16 * w, 16 * w)

    def forward(self, frames: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        n, times, _, side, _ = frames.shape
        if times != self.times:
            raise ValueError(f"made for {self.times} frames, got {times}")
        mouths = F.interpolate(frames[..., side // 2 :, :].flatten(0, 1), (48, 96), mode="area")
        face = self.face(mouths.reshape(n, 3 * times, 48, 96) * 2 - 1).mean((2, 3))
        sound = self.sound(mel[:, None]).mean((2, 3))
        return F.relu(self.face_out(face)), F.relu(self.sound_out(sound))


def cosine(face: Tensor, sound: Tensor) -> Tensor:
    """f·a / max(‖f‖‖a‖, ε) of each pair, in [0, 1] for :class:`SyncNet`'s embeddings."""
    return (face * sound).sum(1) / (face.norm(dim=1) * sound.norm(dim=1)).clamp_min(EPSILON)


def sync_loss(face: Tensor, sound: Tensor) -> Tensor:
    """L_sync = −(1/N) Σ log(cosine); a cosine of 0 counts as ε, so that the loss stays finite."""
    return -torch.log(cosine(face, sound).clamp_min(EPSILON)).mean()


def contrast_loss(face: Tensor, sound: Tensor, in_sync: Tensor) -> Tensor:
    """What the expert is trained with: binary cross-entropy of the cosine against ``in_sync`` (N,), 1 or 0."""
    return F.binary_cross_entropy(cosine(face, sound).clamp(EPSILON, 1 - EPSILON), in_sync)
