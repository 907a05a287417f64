"""One picture's planes, Y then Cb then Cr: prediction, contexts, differences. Encoder and decoder
run the same code.

Every pixel is predicted from the reference and, in mode 1, from how the pixels around it changed
relative to theirs; the quantised difference is coded in a context that reflects its expected size.
All arithmetic is in integers; weights are in 64ths, fitted by least squares on the training people
(bench/picture_tables.py computes them again).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codec.pictures.contexts import (
    BIN_OF,
    BINS,
    EMPTY_AT,
    LARGEST,
    MODE_AT,
    MOST,
    SIGN_AT,
    SIZE_AT,
    STEPS_OF_SIZE,
    code_size,
)  # fmt: skip
from codec.pictures.probabilities import ZERO
from codec.pictures.rangecoder import Coder

Plane = list[int]
Int = npt.NDArray[np.int64]

MODES = 2
NEIGHBOUR_WEIGHTS = ((9, 12, -3, -1), (6, 14, 2, 3), (7, 9, 2, 3))
"""Mode 1, by channel: weights of the changes to the left, above, above left, above right."""
CROSS_WEIGHTS = ((2,), (4, -3), (5, 3, -21))
"""Mode 1: weights of the thumbnail's pixel minus the reference's, and of the changes of the
previous channels at this pixel."""
SIZE_NEIGHBOUR_WEIGHTS = ((11, 17, 4, 6, 4), (5, 11, 3, 3, 3), (2, 5, 1, 1, 2))
"""Weights of the sizes to the left, above, above left, above right, two above."""
SIZE_CROSS_WEIGHTS = ((5,), (5, 2), (3, 2, 10))
"""Weights of |thumbnail − reference| in steps, and of the sizes of the previous channels at this pixel."""


@dataclass
class Shared:
    """What encoder and decoder share: planes (3, S, S) of the reference and of the keyframe's thumbnail,
    steps by channel."""

    reference: Int
    thumbnail: Int
    steps: tuple[int, int, int]

    @property
    def side(self) -> int:
        return int(self.reference.shape[1])


def quantise(difference: int, step: int) -> int:
    """``difference`` in quantiser steps, rounded with a slight bias towards zero: that saves bits and
    adds little error."""
    size = (abs(difference) * 20 + 9 * step) // (20 * step)
    return -size if difference < 0 else size


def expected_bits(wanted: Int, known: Shared, mode: int) -> float:
    """Estimated cost of a mode in bits, from the sizes of its differences, without coding."""
    change = (wanted - known.reference).astype(np.float64)
    if mode:
        pad = np.pad(change, ((0, 0), (1, 0), (1, 1)))
        around = (pad[:, 1:, :-2], pad[:, :-1, 1:-1], pad[:, :-1, :-2], pad[:, :-1, 2:])
        guess = np.stack([
            sum(w * a[c] for w, a in zip(NEIGHBOUR_WEIGHTS[c], around, strict=True))
            + CROSS_WEIGHTS[c][0] * (known.thumbnail[c] - known.reference[c])
            + sum(w * change[i] for i, w in enumerate(CROSS_WEIGHTS[c][1:]))
            for c in range(3)
        ])  # fmt: skip
        change = change - guess / 64
    return float(np.log2(1 + np.abs(change) / np.array(known.steps)[:, None, None]).sum())


def walk(coder: Coder, wanted: Int | None, known: Shared, mode: int) -> Int:
    """Code a picture's planes (3, S, S); returns the decoded planes. ``wanted`` None: decode."""
    mode = coder.code(ZERO[MODE_AT], mode)
    side, width = known.side, known.side + 2
    inner = [(y + 2) * width + x + 1 for y in range(side) for x in range(side)]
    room = (side + 3) * width  # two rows above, one column left and right: borders need no special case
    gap = known.thumbnail - known.reference
    changes: list[Plane] = []
    sizes: list[Plane] = []
    signs: list[Plane] = []
    out, blank = [], 1
    for c in range(3):
        reference, step = known.reference[c].reshape(-1).tolist(), known.steps[c]
        target = wanted[c].reshape(-1).tolist() if wanted is not None else reference
        far = np.minimum(np.abs(gap[c]).reshape(-1) // step, LARGEST)
        lean, likely = CROSS_WEIGHTS[c][0] * gap[c].reshape(-1), SIZE_CROSS_WEIGHTS[c][0] * far
        for i in range(c):
            lean = lean + CROSS_WEIGHTS[c][i + 1] * np.array([changes[i][at] for at in inner])
            likely = likely + SIZE_CROSS_WEIGHTS[c][i + 1] * np.array([sizes[i][at] for at in inner])
        before = [signs[c - 1][at] for at in inner] if c else [0] * len(inner)
        change, size, sign = [0] * room, [0] * room, [0] * room
        quiet = _is_empty(target, reference, lean.tolist(), inner, width, c, mode, step) if wanted is not None else 0
        empty = coder.code(ZERO[EMPTY_AT + 2 * c + blank], quiet)
        blank &= empty
        pixels = _plane(
            coder, target if wanted is not None else None, reference, lean.tolist(), likely.tolist(), before, inner, width,
            (change, size, sign), c, mode, step, bool(empty),
        )  # fmt: skip
        changes.append(change)
        sizes.append(size)
        signs.append(sign)
        out.append(pixels)
    return np.array(out, np.int64).reshape(3, side, side)


def _predicted(old: int, lean: int, change: Plane, at: int, width: int, weights: tuple[int, int, int, int]) -> int:
    """Mode 1: the prediction of a pixel whose reference is ``old``, from its neighbours' changes and from ``lean``."""
    up, (wl, wa, wc, wr) = at - width, weights
    shift = lean + wl * change[at - 1] + wa * change[up] + wc * change[up - 1] + wr * change[up + 1]
    pixel = old + ((shift + 32) >> 6)
    return 0 if pixel < 0 else 255 if pixel > 255 else pixel


def _is_empty(target: Plane, reference: Plane, lean: Plane, inner: list[int], width: int, c: int, mode: int, step: int) -> int:
    """1 if every difference of the plane is quantised to 0, else 0."""
    change = [0] * (inner[-1] + width)
    for i, at in enumerate(inner):
        pixel = _predicted(reference[i], lean[i], change, at, width, NEIGHBOUR_WEIGHTS[c]) if mode else reference[i]
        if quantise(target[i] - pixel, step):
            return 0
        change[at] = pixel - reference[i]
    return 1


def _plane(
    coder: Coder, target: Plane | None, reference: Plane, lean: Plane, likely: Plane, before: Plane, inner: list[int],
    width: int, kept: tuple[Plane, Plane, Plane], c: int, mode: int, step: int, empty: bool,
) -> Plane:  # fmt: skip
    change, size, sign = kept
    if empty and not mode:
        return list(reference)
    sl, sa, sc, sr, ss = SIZE_NEIGHBOUR_WEIGHTS[c]
    size_at, sign_at = SIZE_AT + c * BINS * STEPS_OF_SIZE, SIGN_AT + (mode * 3 + c) * 15
    code, zero, last = coder.code, ZERO, MOST - 1
    out = []
    for i, at in enumerate(inner):
        up = at - width
        pixel = _predicted(reference[i], lean[i], change, at, width, NEIGHBOUR_WEIGHTS[c]) if mode else reference[i]
        if not empty:
            total = likely[i] + sl * size[at - 1] + sa * size[up] + sc * size[up - 1] + sr * size[up + 1] + ss * size[up - width]
            context = size_at + STEPS_OF_SIZE * BIN_OF[total if total < last else last]
            value = quantise(target[i] - pixel, step) if target is not None else 0
            if code(zero[context], 1 if value else 0):
                much = code_size(coder, abs(value), context)
                around = sign[at - 1] + sign[up]
                negative = code(zero[sign_at + (around + 2) * 3 + before[i] + 1], 1 if value < 0 else 0)
                size[at] = much if much < LARGEST else LARGEST
                sign[at] = -1 if negative else 1
                pixel += sign[at] * much * step
                pixel = 0 if pixel < 0 else 255 if pixel > 255 else pixel
        change[at] = pixel - reference[i]
        out.append(pixel)
    return out
