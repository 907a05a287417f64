"""The 8×8 picture: quantisation, prediction, syntax. See docs/format.md for the bytes.

A picture is predicted from one that the other side is known to hold (the keyframe's own picture, or one it has
acknowledged), never from one that may be lost. Encoder and decoder walk the same code, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codec.colour import UInt8
from codec.errors import ReferenceMissingError, SyntaxLimitError, TruncatedError
from codec.model import Contexts
from codec.rangecoder import Coder, Decoder, Encoder
from codec.wirebytes import MAX_LENGTH, unsigned

SIZES = (8, 12, 16, 32)
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)
"""Quantiser steps by the number in the header, luma and chroma alike."""
DISTANCE_MAX = 15
"""How many pictures back a reference may lie; the header has four bits, 0 means the keyframe."""
SLOTS = 16
HEADER = 2
PREDICTIONS = 3
MAX_BYTES = MAX_LENGTH
"""No picture is longer, for a bundle's length field cannot tell it. An 8×8 one never comes near (about 400 bytes of noise at
step 1); a 32×32 one of noise at a fine step would, and is refused."""
KEPT = 32
"""Pictures remembered: the 15 that a header reaches back, and as many again for those that arrive out of order."""


@dataclass(frozen=True)
class PictureHeader:
    """Quantiser numbers (indexes of STEPS), reference distance in pictures (0 = keyframe), keyframe slot (0..15)."""

    luma: int
    chroma: int
    distance: int
    slot: int

    def pack(self) -> bytes:
        """Raises :class:`SyntaxLimitError` when a field is outside 0..15."""
        if any(not 0 <= field <= 15 for field in (self.luma, self.chroma, self.distance, self.slot)):
            raise SyntaxLimitError(f"{self} has a field outside 0..15")
        return bytes([self.luma << 4 | self.chroma, self.distance << 4 | self.slot])

    @classmethod
    def parse(cls, data: bytes) -> "PictureHeader":
        """Raises :class:`TruncatedError` and :class:`SyntaxLimitError`."""
        if len(data) < HEADER:
            raise TruncatedError(f"picture of {len(data)} bytes has no header")
        if len(data) > MAX_BYTES:
            raise SyntaxLimitError(f"picture of {len(data)} bytes is over {MAX_BYTES}")
        return cls(data[0] >> 4, data[0] & 15, data[1] >> 4, data[1] & 15)


def _quantise(difference: int, step: int) -> int:
    # A little under one half: the nearest zero costs fewer bits and the error stays within half a step plus a bit.
    size = (abs(difference) * 20 + 9 * step) // (20 * step)
    return -size if difference < 0 else size


def _expect(mode: int, left: int, above: int, corner: int) -> int:
    """What the change against the reference is expected to be, from the changes already decoded beside this place."""
    if mode == 0:
        return 0
    if mode == 1:
        return (left + above) // 2 if left + above >= 0 else -((-left - above) // 2)
    return max(min(left, above), min(max(left, above), left + above - corner))


def _walk(
    coder: Coder, wanted: list[int] | None, reference: list[int], side: int, mode: int, steps: tuple[int, int, int]
) -> list[int]:
    """Code a picture's pixels, interleaved YCbCr in raster order; returns what the decoder will have."""
    contexts = Contexts()
    mode = contexts.choice(coder, mode, PREDICTIONS, 0)
    row, width = side * 3, side * 3 + 3
    # Both arrays have a border of zeros on the left and on top, so that no place is special.
    change, coded = [0] * ((side + 1) * width), [0] * ((side + 1) * width)
    out = [0] * len(reference)
    for index in range(len(reference)):
        channel, y = index % 3, index // row
        at = (y + 1) * width + index % row + 3
        left, above = coded[at - 3], coded[at - width]
        expected = _expect(mode, change[at - 3], change[at - width], change[at - width - 3])
        prediction = reference[index] + expected
        prediction = 0 if prediction < 0 else 255 if prediction > 255 else prediction
        value = _quantise(wanted[index] - prediction, steps[channel]) if wanted is not None else 0
        previous = coded[at - 1] if channel else 0
        other = abs(previous) + (abs(coded[at - 2]) if channel == 2 else 0)
        value = contexts.difference(
            coder, value, channel, abs(left) + abs(above), other,
            (left > 0) - (left < 0) + (above > 0) - (above < 0), (previous > 0) - (previous < 0),
        )  # fmt: skip
        pixel = prediction + value * steps[channel]
        pixel = 0 if pixel < 0 else 255 if pixel > 255 else pixel
        out[index], coded[at], change[at] = pixel, value, pixel - reference[index]
    return out


def _side(reference: UInt8) -> int:
    side = reference.shape[0] if reference.ndim else 0
    if side not in SIZES or reference.shape != (side, side, 3):
        raise SyntaxLimitError(f"reference of shape {reference.shape} is not a picture of side {', '.join(map(str, SIZES))}")
    return side


def _as_list(picture: npt.NDArray[np.integer]) -> list[int]:
    return [int(v) for v in picture.reshape(-1).tolist()]


def _steps(header: PictureHeader) -> tuple[int, int, int]:
    return STEPS[header.luma], STEPS[header.chroma], STEPS[header.chroma]


def encode_picture(picture: UInt8, reference: UInt8, header: PictureHeader, mode: int) -> tuple[bytes, UInt8]:
    """One try: ``picture`` (S, S, 3) YCbCr against ``reference`` → (bytes with header, what the decoder will have).

    Raises :class:`SyntaxLimitError` for another shape or mode, and when the result is over :data:`MAX_BYTES`.
    """
    side = _side(reference)
    if picture.shape != reference.shape or not 0 <= mode < PREDICTIONS:
        raise SyntaxLimitError(f"picture {picture.shape}, reference {reference.shape} and mode {mode} do not go together")
    coder = Encoder()
    out = _walk(coder, _as_list(picture), _as_list(reference), side, mode, _steps(header))
    data = header.pack() + coder.finish()
    if len(data) > MAX_BYTES:
        raise SyntaxLimitError(f"picture of {len(data)} bytes is over {MAX_BYTES}; a coarser step is needed")
    return data, np.array(out, np.uint8).reshape(side, side, 3)


def decode_picture(data: bytes, reference: UInt8) -> UInt8:
    """Bytes with header → picture of the reference's size, YCbCr uint8. Raises :class:`CodecError` kinds only."""
    header = PictureHeader.parse(data)
    side = _side(reference)
    out = _walk(Decoder(data[HEADER:]), None, _as_list(reference), side, 0, _steps(header))
    return np.array(out, np.uint8).reshape(side, side, 3)


COARSER = 6
"""How much coarser than asked for the quantiser may get to meet a limit: the quality's floor."""


class References:
    """Pictures that may be predicted from: keyframes by slot, and the newest 32 pictures by number (modulo 2^16)."""

    def __init__(self) -> None:
        self.keyframes: dict[int, UInt8] = {}
        self.pictures: dict[int, UInt8] = {}
        self.newest: int | None = None

    def keep_keyframe(self, slot: int, own: UInt8) -> None:
        """Raises :class:`SyntaxLimitError` for a slot outside 0..15 or an ``own`` that is no picture."""
        if not 0 <= slot < SLOTS:
            raise SyntaxLimitError(f"keyframe slot {slot} is outside 0..{SLOTS - 1}")
        _side(own)
        self.keyframes[slot] = own

    def remember(self, number: int, picture: UInt8) -> None:
        """Keep picture ``number``, in whatever order they come: one that comes late must not push out newer ones.

        One further back than what is kept is taken for the newest, for after a long pause the count has wrapped.
        """
        if self.newest is None or (self.newest - number) & 0xFFFF >= KEPT:
            self.newest = number
        self.pictures[number] = picture
        for old in [n for n in self.pictures if (self.newest - n) & 0xFFFF >= KEPT]:
            del self.pictures[old]

    def find(self, number: int, header: PictureHeader) -> UInt8:
        """The reference of picture ``number``. Raises :class:`ReferenceMissingError`."""
        table, key = (self.pictures, (number - header.distance) & 0xFFFF) if header.distance else (self.keyframes, header.slot)
        if key not in table or header.slot not in self.keyframes:
            raise ReferenceMissingError(f"picture {number} needs {'picture' if header.distance else 'keyframe'} {key}")
        return table[key]


class PictureEncoder:
    """A stream of pictures on the sending side; picks reference and prediction by trying them."""

    def __init__(self, luma: int = 1, chroma: int = 2) -> None:
        """``luma`` and ``chroma`` are quantiser numbers, indexes of :data:`STEPS`."""
        self.luma, self.chroma = luma, chroma
        self.references = References()
        self.acknowledged: int | None = None
        self.slot: int | None = None

    def set_keyframe(self, slot: int, own: UInt8) -> None:
        """Use the keyframe in ``slot`` from now on; ``own`` is its 8×8 picture.

        Take the slots in turn: a slot whose keyframe is replaced while pictures that refer to it are under way would make the
        two sides differ. Nothing is decoded before the other side holds the keyframe.
        """
        self.references.keep_keyframe(slot, own)
        self.slot = slot

    def acknowledge(self, number: int) -> None:
        """The other side holds picture ``number``. Older acknowledgements that arrive late change nothing."""
        if number in self.references.pictures and (self.acknowledged is None or (number - self.acknowledged) & 0xFFFF < 0x8000):
            self.acknowledged = number

    def encode(self, number: int, picture: UInt8, limit: int | None = None) -> tuple[bytes, UInt8]:
        """Picture number (modulo 2^16, each used once a round) and YCbCr (8, 8, 3) → (bytes, the decoded picture).

        With a ``limit`` in bytes the quantiser is made coarser, by :data:`COARSER` steps at most, until the picture fits.
        """
        unsigned(number, 2, "picture number")
        if self.slot is None:
            raise ReferenceMissingError("no keyframe is set")
        distances = [0]
        if self.acknowledged is not None:
            distance = (number - self.acknowledged) & 0xFFFF
            if 0 < distance <= DISTANCE_MAX and self.acknowledged in self.references.pictures:
                distances.append(distance)
            else:
                # Out of reach for good. Forgotten, so that after a pause of hours no number stands for two pictures.
                self.acknowledged = None
        for coarser in range(COARSER + 1):
            data, decoded = self._best(number, picture, distances, self.slot, coarser)
            if limit is None or len(data) <= limit:
                break
        self.references.remember(number, decoded)
        return data, decoded

    def _best(self, number: int, picture: UInt8, distances: list[int], slot: int, coarser: int) -> tuple[bytes, UInt8]:
        """The shortest of all references and predictions."""
        luma, chroma = (min(q + coarser, len(STEPS) - 1) for q in (self.luma, self.chroma))
        tries = []
        for distance in distances:
            header = PictureHeader(luma, chroma, distance, slot)
            reference = self.references.find(number, header)
            tries += [encode_picture(picture, reference, header, mode) for mode in range(PREDICTIONS)]
        return min(tries, key=lambda t: len(t[0]))


class PictureDecoder:
    """A stream of pictures on the receiving side."""

    def __init__(self) -> None:
        self.references = References()

    def set_keyframe(self, slot: int, own: UInt8) -> None:
        """Hold ``own``, the 8×8 picture of the keyframe in ``slot``, for pictures that refer to it."""
        self.references.keep_keyframe(slot, own)

    def decode(self, number: int, data: bytes) -> tuple[UInt8, int]:
        """(picture YCbCr (8, 8, 3), keyframe slot). Raises :class:`CodecError` kinds; the stream goes on after one."""
        header = PictureHeader.parse(data)
        picture = decode_picture(data, self.references.find(number, header))
        self.references.remember(number, picture)
        return picture, header.slot
