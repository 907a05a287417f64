"""Names and number formats within the pieces, shared by packing and training."""

import numpy as np
import numpy.typing as npt

from codec.media.types import Float32, UInt8

PREFIX = "piece-"
VGG, WEIGHTS, ARRAYS = "vgg16.pt", "start.pt", "arrays.npz"
POINT_STEP = 1 / 2048
"""Points are stored as multiples of this, in half-sides: a sixteenth of a pixel."""
MEL_STEP = 3 / 255
"""Step of a stored byte of log-mel, which is in [-1, 2]."""


def mel_bytes(mel: npt.NDArray[np.floating]) -> UInt8:
    """Log-mel in [-1, 2] as bytes."""
    return np.rint((mel.astype(np.float32) + 1) / MEL_STEP).clip(0, 255).astype(np.uint8)


def mel_of(stored: UInt8) -> Float32:
    """Inverse of :func:`mel_bytes`; silence, -1, is restored exactly."""
    return stored.astype(np.float32) * np.float32(MEL_STEP) - 1
