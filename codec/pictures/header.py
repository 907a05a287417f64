"""The picture's header: its reference and its coding parameters. Range-coded like the rest; usually
two or three bits.

A picture is predicted from an earlier one or from a keyframe's own picture. The other fields are
mostly those of the reference's header, and then one bit signals that. Both peers hold the
reference, so nothing depends on data that may be lost.
"""

from dataclasses import dataclass, replace

from codec.errors import SyntaxLimitError
from codec.pictures.contexts import DISTANCE_AT, PLAIN_AT
from codec.pictures.probabilities import ZERO
from codec.pictures.rangecoder import Coder

SIZES = (8, 12, 16, 32)
"""Sides of a picture in pixels, by the number in the header."""
RATES = (200, 100, 60, 40, 120, 80)
"""Milliseconds from one picture to the next, by the number in the header: 5 to 25 pictures a second."""
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)
"""Quantiser steps by the number in the header, luma and chroma alike."""
DISTANCE_MAX = 15
"""How many pictures back a reference may be; 0 means the keyframe."""
SLOTS = 16


@dataclass(frozen=True)
class PictureHeader:
    """``distance`` of the reference in pictures (0 = the keyframe in ``slot``, 0..15), quantiser
    numbers of luma and chroma (indexes of STEPS), ``size`` (index of SIZES), ``rate`` (index of
    RATES)."""

    distance: int = 0
    slot: int = 0
    luma: int = 3
    chroma: int = 3
    size: int = 0
    rate: int = 0

    @property
    def side(self) -> int:
        return SIZES[self.size]

    @property
    def steps(self) -> tuple[int, int, int]:
        """Quantiser steps of Y, Cb, Cr."""
        return STEPS[self.luma], STEPS[self.chroma], STEPS[self.chroma]

    def check(self) -> None:
        """Raises :class:`SyntaxLimitError` when a field is out of range."""
        most = (DISTANCE_MAX, SLOTS - 1, len(STEPS) - 1, len(STEPS) - 1, len(SIZES) - 1, len(RATES) - 1)
        fields = (self.distance, self.slot, self.luma, self.chroma, self.size, self.rate)
        if any(not 0 <= field <= limit for field, limit in zip(fields, most, strict=True)):
            raise SyntaxLimitError(f"{self} has a field out of range")


def code_distance(coder: Coder, distance: int) -> int:
    """Code how many pictures back the reference is, in unary."""
    for i in range(DISTANCE_MAX):
        if not coder.code(ZERO[DISTANCE_AT + i], int(distance > i)):
            return i
    return DISTANCE_MAX


def code_rest(coder: Coder, header: PictureHeader, before: PictureHeader) -> PictureHeader:
    """Code the fields other than the distance, if they differ from those of ``before``, the reference's header.

    ``header``: what to write; when decoding, a header with the distance. Raises :class:`SyntaxLimitError`.
    """
    like = replace(before, distance=header.distance)
    if not coder.code(ZERO[PLAIN_AT], int(header != like)):
        return like
    coarser = header.luma - like.luma
    moved = replace(like, luma=like.luma + coarser, chroma=like.chroma + coarser)
    if coder.code_equal(int(header != moved or not -8 <= coarser < 8), 1):
        slot, luma, chroma = (coder.code_equal(value, 4) for value in (header.slot, header.luma, header.chroma))
        size, rate = coder.code_equal(header.size, 2), coder.code_equal(header.rate, 3)
        found = PictureHeader(header.distance, slot, luma, chroma, size, rate)
    else:
        coarser = coder.code_equal(coarser + 8, 4) - 8
        found = replace(like, luma=like.luma + coarser, chroma=like.chroma + coarser)
    found.check()
    return found
