"""The demo's pictures of its call: a still with rows spread over its length, and an animation of a few seconds."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from codec.media.types import UInt8

STRIP_ROWS = 6
MOVING_SECONDS = 4.0
MOVING_EVERY = 2
"""The animation has every second frame that was shown."""
MOVING_SIDE = 208
"""Side of a panel of the animation, in pixels."""
TITLES = ("original (sender's crop)", "sent 5/s: 8x8, and shape", "first keyframe", "output 256x256")

Record = dict[str, UInt8]
Pairs = list[tuple[int, int]]
"""Indexes of a sent crop and of the frame that was shown for it."""


def _small(sent: Record, crop: int) -> UInt8:
    """The 8×8 picture that a frame was rendered from, enlarged to 256×256 without smoothing."""
    tick = max(0, int(np.searchsorted(sent["ticks"][:, 0], int(sent["numbers"][crop]) * 40, "right")) - 1)
    return np.asarray(cv2.resize(sent["small"][tick], (256, 256), interpolation=cv2.INTER_NEAREST), np.uint8)


def _titled(picture: UInt8, titles: tuple[str, ...], side: int) -> UInt8:
    head = np.full((28, picture.shape[1], 3), 255, np.uint8)
    for i, text in enumerate(titles):
        cv2.putText(head, text, (i * side + 8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5 * side / 256, (20, 20, 20), 1, cv2.LINE_AA)
    return np.vstack([head, picture])


def write_strip(sent: Record, shown: Record, pairs: Pairs, path: Path) -> None:
    """PNG with rows spread over the call's length: original, 8×8, keyframe, output."""
    rows = []
    for at in np.linspace(0, len(pairs) - 1, STRIP_ROWS + 2).astype(int)[1:-1]:
        a, b = pairs[at]
        rows.append(np.hstack([sent["crops"][a], _small(sent, a), sent["keyframe"], shown["frames"][b]]))
    cv2.imwrite(str(path), _titled(np.vstack(rows), TITLES, 256)[..., ::-1])


def write_moving(sent: Record, shown: Record, pairs: Pairs, path: Path) -> None:
    """Animated WebP of some seconds from the call's middle: original, 8×8, output."""
    count = round(MOVING_SECONDS * 25)
    begin = max(0, (len(pairs) - count) // 2)
    frames = []
    for a, b in pairs[begin : begin + count : MOVING_EVERY]:
        row = np.hstack([sent["crops"][a], _small(sent, a), shown["frames"][b]])
        row = np.asarray(cv2.resize(row, (3 * MOVING_SIDE, MOVING_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        frames.append(Image.fromarray(_titled(row, (TITLES[0], TITLES[1], TITLES[3]), MOVING_SIDE)))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40 * MOVING_EVERY, loop=0, quality=60, method=4)
