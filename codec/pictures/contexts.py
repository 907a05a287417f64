"""Syntax elements of the picture and their contexts: which trained probability each bit has.

A quantised difference is coded as its size, in unary with contexts and past 14 in Exp-Golomb, then
its sign. Its likely size is estimated by a weighted sum of the neighbouring sizes, the thumbnail's
distance from the reference, and the sizes of the other components (:mod:`codec.pictures.planes`);
that sum falls into one of twenty bins. The probabilities in :mod:`codec.pictures.probabilities` are
trained and static: a picture of 192 differences is too short to learn its own, and static ones are
the least work for a decoder.
"""

from codec.errors import SyntaxLimitError
from codec.pictures.probabilities import ZERO
from codec.pictures.rangecoder import Coder

BINS = 20
STEPS_OF_SIZE = 8
"""Contexts of the unary size within a bin; the last serves all further steps."""
SIZE_AT = 0
SIGN_AT = SIZE_AT + 3 * BINS * STEPS_OF_SIZE
EMPTY_AT = SIGN_AT + 2 * 3 * 5 * 3
MODE_AT = EMPTY_AT + 3 * 2
DISTANCE_AT = MODE_AT + 1
PLAIN_AT = DISTANCE_AT + 15
CONTEXTS = PLAIN_AT + 1
ESCAPE = 15
MAX_PREFIX = 8
LARGEST = 20
"""Larger sizes count as this in the weighted sum."""


MOST = 256
"""Weighted sums from this value upwards fall into the last bin."""
BIN_OF = tuple(min(((total**5).bit_length() - 1) // 2, BINS - 1) if total else 0 for total in range(MOST))
"""Bin by weighted sum in 64ths: two and a half bins for each doubling, in integers (half of log2 of
the fifth power)."""


def code_size(coder: Coder, size: int, at: int) -> int:
    """Code a nonzero size, 1 upwards; ``at`` is the first of its bin's contexts. Raises :class:`SyntaxLimitError`."""
    found = 1
    while found < ESCAPE and coder.code(ZERO[at + (found if found < STEPS_OF_SIZE else STEPS_OF_SIZE - 1)], int(size > found)):
        found += 1
    return found + _golomb(coder, size - ESCAPE) if found == ESCAPE else found


def _golomb(coder: Coder, value: int) -> int:
    width = (value + 1).bit_length() - 1 if value >= 0 else 0
    prefix = 0
    while coder.code_equal(int(prefix < width), 1):
        prefix += 1
        if prefix > MAX_PREFIX:
            raise SyntaxLimitError("difference in a picture is out of range")
    rest = coder.code_equal(value + 1 - (1 << prefix) if value >= 0 else 0, prefix)
    return (1 << prefix) - 1 + rest
