"""Motion error: does what moves in the original move in the output, and does the rest stay still?"""

from torch import Tensor

from bench.metrics.pixel import luma


def motion_error(before: Tensor, output: Tensor, truth_before: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the frame differences of output and original, (N,), in luma levels of 0..255.

    Each argument (N, 3, H, W) in [0, 1]; ``before`` and ``truth_before`` lie one frame (40 ms) earlier. 0 for equal videos; for
    a video that doesn't move it is the original's own motion.
    """
    apart = (luma(output) - luma(before)) - (luma(truth) - luma(truth_before))
    return apart.abs().mean((1, 2, 3)) * 255.0
