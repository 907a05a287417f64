"""Pictures larger than 8×8 as the network takes them: the 8×8 picture, and separately the detail that
the larger one adds."""

import cv2
import numpy as np
import numpy.typing as npt


def shrink(picture: npt.NDArray, side: int) -> npt.NDArray[np.float32]:
    """Area average of (S, S, 3) at ``side`` ≤ S: (side, side, 3); uint8 becomes [0, 1], float keeps its range."""
    plain = picture.astype(np.float32) / 255.0 if picture.dtype == np.uint8 else picture
    return plain if len(plain) == side else np.asarray(cv2.resize(plain, (side, side), interpolation=cv2.INTER_AREA))


def detail_of(picture: np.ndarray, larger: np.ndarray) -> np.ndarray:
    """The detail that ``larger`` (S, S, 3) adds to the 8×8 ``picture`` (3, 8, 8), both RGB in [0, 1]:
    (3, 64, 64), S ≤ 64."""
    plain = [cv2.resize(x, (64, 64), interpolation=cv2.INTER_LINEAR) for x in (larger, picture.transpose(1, 2, 0))]
    return (plain[0] - plain[1]).transpose(2, 0, 1)
