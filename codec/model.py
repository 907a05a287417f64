"""Context models of the picture's quantised differences, in integers.

A difference is coded as: zero or not; sign; size in unary with contexts, past 14 in Exp-Golomb. The contexts look at the
differences already coded to the left, above, and, for chroma, in the other components of the same place. Every picture
starts from the trained probabilities in :mod:`codec.tables`, so that no picture needs another one's statistics.
"""

from codec.errors import SyntaxLimitError
from codec.rangecoder import Bit, Coder
from codec.tables import INITIAL

ACTIVITY = (0, 1, 2, 3, 3, 4, 4, 4, 5)
"""|left| + |above| (up to 8) → one of six classes."""

ZERO_CONTEXTS, SIGN_CONTEXTS, SIZE_CONTEXTS, MODE_CONTEXTS = 3 * 6 * 3, 3 * 5 * 3, 3 * 6 * 7, 8
SIZE_AT = ZERO_CONTEXTS + SIGN_CONTEXTS
MODE_AT = SIZE_AT + SIZE_CONTEXTS
CONTEXTS = MODE_AT + MODE_CONTEXTS
ESCAPE = 15
MAX_PREFIX = 8


class Contexts:
    """The adaptive state while one picture is coded."""

    def __init__(self) -> None:
        self.bits = [Bit(p) for p in INITIAL] if INITIAL else [Bit() for _ in range(CONTEXTS)]

    def difference(self, coder: Coder, value: int, channel: int, activity: int, other: int, lean: int, tint: int) -> int:
        """Code one quantised difference.

        ``activity`` = |left| + |above|; ``other`` = size of the difference in the components coded before at this
        place; ``lean`` = sign(left) + sign(above); ``tint`` = sign of the previous component here.
        """
        bits, active = self.bits, ACTIVITY[activity if activity < 8 else 8]
        near = 0 if other == 0 else 1 if other < 3 else 2
        if not coder.code(bits[(channel * 6 + active) * 3 + near], int(value != 0)):
            return 0
        sign_at = ZERO_CONTEXTS + (channel * 5 + lean + 2) * 3 + tint + 1
        negative = coder.code(bits[sign_at], int(value < 0))
        wanted, size = abs(value), 1
        base = SIZE_AT + (channel * 6 + active) * 7
        while size < ESCAPE and coder.code(bits[base + (size - 1 if size < 7 else 6)], int(wanted > size)):
            size += 1
        if size == ESCAPE:
            size += self._golomb(coder, wanted - ESCAPE)
        return -size if negative else size

    @staticmethod
    def _golomb(coder: Coder, value: int) -> int:
        width = (value + 1).bit_length() - 1 if value >= 0 else 0
        prefix = 0
        while coder.code_equal(int(prefix < width), 1):
            prefix += 1
            if prefix > MAX_PREFIX:
                raise SyntaxLimitError("difference in a picture is out of range")
        rest = coder.code_equal(value + 1 - (1 << prefix) if value >= 0 else 0, prefix)
        return (1 << prefix) - 1 + rest

    def choice(self, coder: Coder, value: int, count: int, at: int) -> int:
        """Code a small number in 0 .. count - 1 in unary; ``at`` is the first of its mode contexts."""
        for i in range(count - 1):
            if not coder.code(self.bits[MODE_AT + at + i], int(value > i)):
                return i
        return count - 1
