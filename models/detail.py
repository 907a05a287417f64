"""Pictures larger than 8×8 as the network takes them: the 8×8 picture, and beside it what the larger one shows beyond."""

import cv2
import numpy as np


def detail_of(picture: np.ndarray, larger: np.ndarray) -> np.ndarray:
    """What ``larger`` (S, S, 3) shows beyond the 8×8 ``picture`` (3, 8, 8), both RGB in [0, 1]: (3, 64, 64), S ≤ 64."""
    plain = [cv2.resize(x, (64, 64), interpolation=cv2.INTER_LINEAR) for x in (larger, picture.transpose(1, 2, 0))]
    return (plain[0] - plain[1]).transpose(2, 0, 1)
