"""How different two pictures of a face look: cheap enough to be computed every second of a call.

The mean gradient magnitude similarity (Xue et al., "Gradient Magnitude Similarity Deviation", IEEE TIP
2014, equation 4) at three scales. Of five keyframes it chooses one whose rendered frame has an LPIPS
within 3 % of the best, on average (docs/decisions.md).
"""

import cv2
import numpy as np

from codec.media.types import Float32, UInt8

SCALES = (128, 64, 32)
STABLE = 680.0
"""Keeps flat areas from counting; the comparison with LPIPS was made with this value."""


def _slope(grey: Float32) -> Float32:
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def distance(a: UInt8, b: UInt8) -> float:
    """Distance of two RGB pictures (256, 256, 3): 0 for equal ones, close to 1 where nothing matches."""
    grey_a, grey_b = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float32) for x in (a, b))
    total = 0.0
    for side in SCALES:
        x, y = (
            _slope(np.asarray(cv2.resize(g, (side, side), interpolation=cv2.INTER_AREA), np.float32)) for g in (grey_a, grey_b)
        )
        total += 1 - float(((2 * x * y + STABLE) / (x * x + y * y + STABLE)).mean())
    return total / len(SCALES)
