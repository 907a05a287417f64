"""What pictures may be predicted from: keyframes' own pictures by slot, and the newest pictures by number."""

from dataclasses import dataclass

import numpy as np

from codec.errors import ReferenceMissingError, SyntaxLimitError
from codec.media.types import UInt8
from codec.pictures.header import SIZES, SLOTS, PictureHeader

KEPT = 32
"""Pictures remembered: the 15 that a header reaches back, and as many again for those that arrive out of order."""


@dataclass(frozen=True)
class Reference:
    """A picture (S, S, 3) YCbCr, and how it was coded."""

    picture: UInt8
    header: PictureHeader


def side_of(picture: UInt8) -> int:
    """The side of a picture. Raises :class:`SyntaxLimitError` for an array that is not a picture."""
    side = picture.shape[0] if picture.ndim else 0
    if side not in SIZES or picture.shape != (side, side, 3):
        raise SyntaxLimitError(f"array of shape {picture.shape} is not a picture of side {', '.join(map(str, SIZES))}")
    return side


def resized(picture: UInt8, side: int) -> UInt8:
    """The picture at another side, each pixel copied from the nearest above and to the left: exact on every machine."""
    index = np.arange(side) * len(picture) // side
    return picture if side == len(picture) else picture[index][:, index]


class References:
    """Kept identically by sender and receiver: the sender may refer to what the receiver has acknowledged."""

    def __init__(self) -> None:
        self.keyframes: dict[int, UInt8] = {}
        self.pictures: dict[int, Reference] = {}
        self.newest: int | None = None

    def keep_keyframe(self, slot: int, own: UInt8) -> None:
        """Raises :class:`SyntaxLimitError` for a slot outside 0..15 or an ``own`` that is no picture."""
        if not 0 <= slot < SLOTS:
            raise SyntaxLimitError(f"keyframe slot {slot} is outside 0..{SLOTS - 1}")
        side_of(own)
        self.keyframes[slot] = own

    def remember(self, number: int, picture: UInt8, header: PictureHeader) -> None:
        """Keep picture ``number``. Pictures may arrive in any order: a late one must not push out newer
        ones.

        One further back than :data:`KEPT` is taken as the newest, because the count has then wrapped in
        a long pause.
        """
        if self.newest is None or (self.newest - number) & 0xFFFF >= KEPT:
            self.newest = number
        self.pictures[number] = Reference(picture, header)
        for old in [n for n in self.pictures if (self.newest - n) & 0xFFFF >= KEPT]:
            del self.pictures[old]

    def header_before(self, number: int, distance: int) -> PictureHeader:
        """The header relative to which picture ``number``'s own is coded. Raises :class:`ReferenceMissingError`."""
        if not distance:
            return PictureHeader()
        if (back := (number - distance) & 0xFFFF) not in self.pictures:
            raise ReferenceMissingError(f"picture {number} needs picture {back}")
        return self.pictures[back].header

    def keyframe(self, header: PictureHeader) -> UInt8:
        """The own picture of the header's keyframe, at the header's size. Raises :class:`ReferenceMissingError`."""
        if header.slot not in self.keyframes:
            raise ReferenceMissingError(f"keyframe {header.slot} is missing")
        return resized(self.keyframes[header.slot], header.side)

    def find(self, number: int, header: PictureHeader) -> UInt8:
        """The reference of picture ``number``, at the header's size. Raises :class:`ReferenceMissingError`."""
        own = self.keyframe(header)
        if not header.distance:
            return own
        self.header_before(number, header.distance)
        return resized(self.pictures[(number - header.distance) & 0xFFFF].picture, header.side)
