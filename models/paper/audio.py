"""The paper's audio encoder: residual 1-D convolutions over the mel-spectrogram, strided to the
pictures' times, then transposed convolutions up to the pictures' size (section 3.1.2)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

MEL_PER_PICTURE = 4
"""Mel frames (10 ms) in a picture's 40 ms: two strides of 2."""


class Residual1d(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))) over time, length unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a, self.norm_a = nn.Conv1d(channels, channels, 3, padding=1), nn.BatchNorm1d(channels)
        self.b, self.norm_b = nn.Conv1d(channels, channels, 3, padding=1), nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm_b(self.b(F.relu(self.norm_a(self.a(x))))))


class AudioEncoder(nn.Module):
    """Log-mel (N, 4T, 80) as :func:`models.runtime.mel.log_mel` gives it → f_a (N, T, ``channels[2]``, 8, 8).

    ``channels`` are the widths at 10, 20 and 40 ms a frame. Raises ``ValueError`` when the number
    of mel frames is not a multiple of four.
    """

    def __init__(self, channels: Sequence[int], bands: int = 80) -> None:
        super().__init__()
        a, b, c = channels
        self.time = nn.Sequential(
            nn.Conv1d(bands, a, 3, padding=1), nn.BatchNorm1d(a), nn.ReLU(), Residual1d(a),
            nn.Conv1d(a, b, 3, 2, 1), nn.BatchNorm1d(b), nn.ReLU(), Residual1d(b),
            nn.Conv1d(b, c, 3, 2, 1), nn.BatchNorm1d(c), nn.ReLU(), Residual1d(c),
        )  # fmt: skip
        spread: list[nn.Module] = []
        for _ in range(3):  # 1 → 2 → 4 → 8
            spread += [nn.ConvTranspose2d(c, c, 4, 2, 1), nn.BatchNorm2d(c), nn.ReLU()]
        self.spread = nn.Sequential(*spread)

    def forward(self, mel: Tensor) -> Tensor:
        n, length = mel.shape[:2]
        if length % MEL_PER_PICTURE:
            raise ValueError(f"{length} mel frames are not a multiple of {MEL_PER_PICTURE}")
        h = self.time(mel.transpose(1, 2)).transpose(1, 2)
        times, channels = h.shape[1:]
        return self.spread(h.reshape(n * times, channels, 1, 1)).reshape(n, times, channels, 8, 8)
