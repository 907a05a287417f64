"""PSNR, SSIM, and PSNR of a region such as the mouth. Images are RGB (N, 3, H, W) in [0, 1]."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.media.types import Float32, UInt8

TAPS = 11
"""Side of SSIM's Gaussian window, in pixels."""
SIGMA = 1.5
"""Its standard deviation, in pixels."""
C1 = 0.01**2
"""SSIM's constant for luminance, for a range of 1."""
C2 = 0.03**2
"""SSIM's constant for contrast, for a range of 1."""


def to_tensor(frames: Sequence[UInt8]) -> Tensor:
    """RGB (H, W, 3) in 0..255, N of them → (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255.0


def to_frame(image: Tensor) -> UInt8:
    """(3, H, W) in about [0, 1] → RGB (H, W, 3) in 0..255, rounded."""
    return (image.clamp(0, 1) * 255.0 + 0.5).byte().permute(1, 2, 0).contiguous().numpy()


def luma(images: Tensor) -> Tensor:
    """BT.601 luma (N, 1, H, W) in [0, 1]."""
    return (images * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def psnr(output: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over R, G and B of each pair, (N,) in dB; infinite for equal images."""
    return -10 * torch.log10(((output.clamp(0, 1) - truth) ** 2).mean((1, 2, 3)))


def ssim(output: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of the luma of each pair, (N,), 1 for equal images (Wang et al., 2004).

    11×11 Gaussian window of σ 1.5, without the border where the window doesn't fit, no
    downsampling: the same number as scikit-image's with ``gaussian_weights=True,
    use_sample_covariance=False``. Raises ``ValueError`` for images under 11×11.
    """
    if min(output.shape[2:]) < TAPS:
        raise ValueError(f"SSIM needs at least {TAPS}x{TAPS} pixels, not {output.shape[3]}x{output.shape[2]}")
    at = torch.arange(TAPS, device=output.device, dtype=output.dtype) - TAPS // 2
    kernel = torch.exp(-(at**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))

    a, b = luma(output.clamp(0, 1)), luma(truth)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    quality = (2 * ma * mb + C1) * (2 * cov + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2))
    return quality.mean((1, 2, 3))


def region_psnr(output: Tensor, truth: Tensor, box: Float32) -> float:
    """PSNR in dB within ``box`` (x0, y0, x1, y1 in pixels, rounded outwards) of one pair (3, H, W);
    nan for an empty box."""
    height, width = truth.shape[1:]
    x0, y0 = (max(0, int(np.floor(v))) for v in box[:2])
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 <= x0 or y1 <= y0:
        return float("nan")
    return float(psnr(output[None, :, y0:y1, x0:x1], truth[None, :, y0:y1, x0:x1]))
