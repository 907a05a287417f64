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

SIZES = (8, 12, 16, 32)
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)
"""Quantiser steps by the number in the header, luma and chroma alike."""
DISTANCE_MAX = 15
"""How many pictures back a reference may lie; the header has four bits, 0 means the keyframe."""
SLOTS = 16
HEADER = 2
PREDICTIONS = 3
MAX_BYTES = 4096
"""No picture is longer: the largest (32×32) at step 1 stays below this."""


@dataclass(frozen=True)
class PictureHeader:
    """Quantiser numbers (indexes of STEPS), reference distance in pictures (0 = keyframe), keyframe slot (0..15)."""

    luma: int
    chroma: int
    distance: int
    slot: int

    def pack(self) -> bytes:
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


def _as_list(picture: npt.NDArray[np.integer]) -> list[int]:
    return [int(v) for v in picture.reshape(-1).tolist()]


def _steps(header: PictureHeader) -> tuple[int, int, int]:
    return STEPS[header.luma], STEPS[header.chroma], STEPS[header.chroma]


def encode_picture(picture: UInt8, reference: UInt8, header: PictureHeader, mode: int) -> tuple[bytes, UInt8]:
    """One try: ``picture`` (S, S, 3) YCbCr against ``reference`` → (bytes with header, what the decoder will have)."""
    side = picture.shape[0]
    if picture.shape != reference.shape or side not in SIZES or picture.shape != (side, side, 3):
        raise SyntaxLimitError(f"picture {picture.shape} and reference {reference.shape} do not match")
    coder = Encoder()
    out = _walk(coder, _as_list(picture), _as_list(reference), side, mode, _steps(header))
    return header.pack() + coder.finish(), np.array(out, np.uint8).reshape(side, side, 3)


def decode_picture(data: bytes, reference: UInt8) -> UInt8:
    """Bytes with header → picture of the reference's size, YCbCr uint8. Raises :class:`CodecError` kinds only."""
    header = PictureHeader.parse(data)
    side = reference.shape[0]
    out = _walk(Decoder(data[HEADER:]), None, _as_list(reference), side, 0, _steps(header))
    return np.array(out, np.uint8).reshape(side, side, 3)


class References:
    """Pictures that may be predicted from: keyframes by slot, and the newest 16 pictures by number (modulo 2^16)."""

    def __init__(self) -> None:
        self.keyframes: dict[int, UInt8] = {}
        self.pictures: dict[int, UInt8] = {}

    def remember(self, number: int, picture: UInt8) -> None:
        self.pictures[number] = picture
        for old in [n for n in self.pictures if (number - n) & 0xFFFF > DISTANCE_MAX]:
            del self.pictures[old]

    def find(self, number: int, header: PictureHeader) -> UInt8:
        """The reference of picture ``number``. Raises :class:`ReferenceMissingError`."""
        table, key = (
            (self.pictures, (number - header.distance) & 0xFFFF) if header.distance else (self.keyframes, header.slot)
        )
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
        """Use the keyframe in ``slot`` from now on; ``own`` is its 8×8 picture."""
        self.references.keyframes[slot] = own
        self.slot = slot

    def acknowledge(self, number: int) -> None:
        """The other side holds picture ``number``. Older acknowledgements that arrive late change nothing."""
        if number in self.references.pictures and (
            self.acknowledged is None or (number - self.acknowledged) & 0xFFFF < 0x8000
        ):
            self.acknowledged = number

    def encode(self, number: int, picture: UInt8) -> tuple[bytes, UInt8]:
        """Picture number (modulo 2^16) and YCbCr (8, 8, 3) → (bytes, the decoded picture)."""
        if self.slot is None:
            raise ReferenceMissingError("no keyframe is set")
        distances = [0]
        if self.acknowledged is not None:
            distance = (number - self.acknowledged) & 0xFFFF
            if 0 < distance <= DISTANCE_MAX and self.acknowledged in self.references.pictures:
                distances.append(distance)
        tries = []
        for distance in distances:
            header = PictureHeader(self.luma, self.chroma, distance, self.slot)
            reference = self.references.find(number, header)
            tries += [encode_picture(picture, reference, header, mode) for mode in range(PREDICTIONS)]
        data, decoded = min(tries, key=lambda t: len(t[0]))
        self.references.remember(number, decoded)
        return data, decoded


class PictureDecoder:
    """A stream of pictures on the receiving side."""

    def __init__(self) -> None:
        self.references = References()

    def set_keyframe(self, slot: int, own: UInt8) -> None:
        self.references.keyframes[slot] = own

    def decode(self, number: int, data: bytes) -> tuple[UInt8, int]:
        """(picture YCbCr (8, 8, 3), keyframe slot). Raises :class:`CodecError` kinds; the stream goes on after one."""
        header = PictureHeader.parse(data)
        picture = decode_picture(data, self.references.find(number, header))
        self.references.remember(number, picture)
        return picture, header.slot
