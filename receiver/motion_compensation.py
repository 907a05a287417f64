"""A frame that the network hasn't rendered, warped from one that it has: the face is moved as its points have moved, and the
light is changed as the 8×8 picture has changed. This takes a fraction of the network's work, so a slow machine shows 25 FPS, too.

It adds no new detail: teeth that aren't visible in the rendered frame aren't visible in the warped one.
"""

import cv2
import numpy as np

from codec.media.types import Float32, UInt8
from codec.pictures.sampling import SIZE
from models.runtime.detail import shrink
from receiver.tick_decoder import FrameInput

SIDE = 256
CELLS = 32
"""The flow is computed in this many cells a side, and interpolated between them."""
WIDTH = 0.13
"""Standard deviation of a point's Gaussian weight, in half-sides of the picture."""
STILL = 0.6
"""Weight of no movement: what is far from all points stays where it is."""
FARTHEST = 2.0
"""Maximum time between a rendered frame and one warped from it, in seconds."""

_CENTRES = ((np.arange(CELLS) + 0.5) * 2 / CELLS - 1).astype(np.float32)
_X, _Y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))


def flow(points: Float32, drawn: Float32) -> Float32:
    """Displacement of each cell of the new frame to its place in the rendered one: (32, 32, 2), x and y in pixels.

    ``points``, ``drawn`` (54, 2): the face's points in the new frame and in the rendered one, in [-1, 1].
    """
    x, y = (np.exp((_CENTRES - points[:, i : i + 1]) ** 2 / (-2 * WIDTH**2)) for i in (0, 1))  # (54, 32)
    near = [y.T @ (x * (drawn - points)[:, i : i + 1]) for i in (0, 1)]
    return np.stack(near, -1) / (y.T @ x + STILL)[..., None] * (SIDE / 2)


def can_warp(drawn: FrameInput, frame: FrameInput) -> bool:
    """Whether the face's points are known in both frames."""
    return drawn.shape is not None and frame.shape is not None


def warped_frame(rgb: UInt8, drawn: FrameInput, frame: FrameInput) -> UInt8:
    """The frame (256, 256, 3), warped from ``rgb``, which the network rendered from ``drawn``. Raises ``ValueError`` unless
    the face's points are known in both."""
    if drawn.shape is None or frame.shape is None:
        raise ValueError("the face's points are not known")
    way = cv2.resize(flow(frame.shape[1], drawn.shape[1]), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    out: UInt8 = np.asarray(
        cv2.remap(rgb, _X + way[..., 0], _Y + way[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
    change = (frame.pictures[2] - drawn.pictures[2]).transpose(1, 2, 0) * 255
    lost = shrink(cv2.subtract(rgb, out, dtype=cv2.CV_32F), SIZE)
    lacking = cv2.resize(lost + change, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(out, lacking, dtype=cv2.CV_8U))
