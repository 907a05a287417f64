"""Syntax elements of the shape and their contexts: which trained probability each bit has.

A residual is coded as a zero flag, its sign, and by how much its size exceeds one. Their contexts depend
on the coefficient, on how much has changed before it in the same frame, and between ticks on the frame
before. The probabilities in :mod:`codec.shape.probabilities` are trained and static.
"""

from codec.errors import SyntaxLimitError
from codec.pictures.rangecoder import Coder
from codec.shape.basis import COEFFICIENTS
from codec.shape.probabilities import ZERO

Row = list[int]

STEPS = (4, 6, 8, 10, 12, 14, 16, 20)
"""Quantiser steps by the number in the header."""
USUAL_STEP = 2
BETWEEN = 4
"""Frames between two ticks of 200 ms at 25 FPS."""
LARGEST = 4095
"""Largest absolute value of a coefficient."""
ACTIVE = 4
"""Classes of how much has changed: the sum of the sizes of the preceding coefficients, at most 3."""
TAIL = 6
"""Contexts for "larger still"; the last serves all further steps."""
ESCAPE = 20
"""Sizes from here on are coded in Exp-Golomb."""
MAX_PREFIX = 12
STEP_AT = 0
FULL_AT = 1
EMPTY_AT = 2
TICK_ZERO_AT = EMPTY_AT + 2
TICK_TAIL_AT = TICK_ZERO_AT + COEFFICIENTS * ACTIVE
ZERO_AT = TICK_TAIL_AT + COEFFICIENTS * TAIL
SIGN_AT = ZERO_AT + COEFFICIENTS * ACTIVE * 2
TAIL_AT = SIGN_AT + 3
CONTEXTS = TAIL_AT + TAIL


def _tail(coder: Coder, size: int, at: int) -> int:
    """Code a nonzero size; ``at`` is the first of its contexts."""
    found = 1
    while found < ESCAPE and coder.code(ZERO[at + min(found, TAIL) - 1], int(size > found)):
        found += 1
    if found < ESCAPE:
        return found
    rest, width = max(size - ESCAPE, 0) + 1, 0
    while coder.code_equal(int(width < rest.bit_length() - 1), 1):
        width += 1
        if width > MAX_PREFIX:
            raise SyntaxLimitError("residual in a shape is out of range")
    return ESCAPE - 1 + (1 << width) + coder.code_equal(rest - (1 << width), width)


def _active(row: Row, at: int, back: int) -> int:
    return min(sum(abs(value) for value in row[max(0, at - back) : at]), ACTIVE - 1)


def code_tick(coder: Coder, wanted: Row) -> Row:
    """Code the residuals at a tick's end. ``wanted``: what to write; not used when decoding. Raises
    :class:`SyntaxLimitError`."""
    out: Row = []
    for i in range(COEFFICIENTS):
        value = wanted[i]
        if not coder.code(ZERO[TICK_ZERO_AT + i * ACTIVE + _active(out, i, 3)], int(value != 0)):
            out.append(0)
            continue
        negative = coder.code_equal(int(value < 0), 1)
        size = _tail(coder, abs(value), TICK_TAIL_AT + i * TAIL)
        out.append(-size if negative else size)
    return out


def code_between(coder: Coder, wanted: Row, before: Row) -> Row:
    """Code the residuals of a frame between two ticks; ``before``: those of the frame before it, zeros for the first."""
    if not coder.code(ZERO[EMPTY_AT + int(any(before))], int(any(wanted))):
        return [0] * COEFFICIENTS
    out: Row = []
    for i in range(COEFFICIENTS):
        value, last = wanted[i], before[i]
        if not coder.code(ZERO[ZERO_AT + (i * ACTIVE + _active(out, i, 2)) * 2 + int(last != 0)], int(value != 0)):
            out.append(0)
            continue
        negative = coder.code(ZERO[SIGN_AT + (last > 0) - (last < 0) + 1], int(value < 0))
        size = _tail(coder, abs(value), TAIL_AT)
        out.append(-size if negative else size)
    return out
