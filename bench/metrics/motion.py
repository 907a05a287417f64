"""Motion error: does what moves in the original move in the output, and does the rest stay still?
Measured by frame differences and by optical flow."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from bench.metrics.pixel import luma, to_tensor
from codec.media.types import UInt8


def motion_error(before: Tensor, output: Tensor, truth_before: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the frame differences of output and original, (N,), in luma levels of 0..255.

    Each argument (N, 3, H, W) in [0, 1]; ``before`` and ``truth_before`` lie one frame (40 ms)
    earlier. 0 for equal videos; for a video that doesn't move it is the original's own motion. A
    texture that moves along, but isn't the original's, counts twice.
    """
    apart = (luma(output) - luma(before)) - (luma(truth) - luma(truth_before))
    return apart.abs().mean((1, 2, 3)) * 255.0


def _flow(before: UInt8, now: UInt8) -> npt.NDArray[np.float32]:
    dense: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dense.calc(*(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (before, now)), None), np.float32)


def flow_error(before: UInt8, output: UInt8, truth_before: UInt8, truth: UInt8) -> float:
    """Mean endpoint error, in pixels, of the optical flow from frame to frame against the
    original's (DIS, Kroeger et al., 2016).

    Each argument RGB (H, W, 3); ``before`` and ``truth_before`` lie one frame (40 ms) earlier. For
    a video that doesn't move it is the mean length of the original's flow.
    """
    return float(np.linalg.norm(_flow(before, output) - _flow(truth_before, truth), axis=-1).mean())


def motion_figures(before: UInt8, output: UInt8, truth_before: UInt8, truth: UInt8) -> dict[str, float]:
    """Both errors, as ``motion`` and ``flow``."""
    frames = before, output, truth_before, truth
    return {"motion": float(motion_error(*(to_tensor([x]) for x in frames))), "flow": flow_error(*frames)}
