"""The small picture, usually 8×8: header, prediction, differences. See docs/format.md for the bytes.

A picture is predicted from one that the peer is known to hold (the keyframe's own picture, or one it has
acknowledged), never from one that may be lost. Encoder and decoder run the same code, so they cannot disagree.
"""

from dataclasses import replace

import numpy as np

from codec.errors import PictureTooLongError, ReferenceMissingError, SyntaxLimitError
from codec.media.types import UInt8
from codec.pictures.header import DISTANCE_MAX, STEPS, PictureHeader, code_distance, code_rest
from codec.pictures.planes import MODES, Int, Shared, expected_bits, walk
from codec.pictures.rangecoder import Decoder, Encoder
from codec.pictures.references import References, resized, side_of
from codec.wirebytes import MAX_LENGTH, unsigned

MAX_BYTES = MAX_LENGTH
"""Longest picture: a bundle's length field cannot express more. An 8×8 one never comes near (noise
at step 1 takes about 400 bytes); a detailed 32×32 one at a fine step would exceed it, and is coded
more coarsely."""
COARSER = 6
"""How many steps coarser than requested the quantiser may become to meet a limit: this bounds the
loss of quality."""


def _planes(picture: UInt8) -> Int:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.int64)


def _picture(planes: Int) -> UInt8:
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).astype(np.uint8)


def encode_picture(
    picture: UInt8, reference: UInt8, own: UInt8, header: PictureHeader, before: PictureHeader, mode: int
) -> tuple[bytes, UInt8]:
    """Code ``picture`` (S, S, 3) YCbCr once, predicted from ``reference`` → (bytes, the decoded picture).

    ``own``: the keyframe's own picture; it and the reference are resized to the header's size.
    ``before``: the reference's header. Raises :class:`SyntaxLimitError` for another shape or mode,
    and when the result is over :data:`MAX_BYTES`.
    """
    header.check()
    if picture.shape != (header.side, header.side, 3) or not 0 <= mode < MODES:
        raise SyntaxLimitError(f"picture {picture.shape}, {header} and mode {mode} do not match")
    side_of(reference)
    coder = Encoder()
    code_distance(coder, header.distance)
    code_rest(coder, header, before)
    known = Shared(_planes(resized(reference, header.side)), _planes(resized(own, header.side)), header.steps)
    out = _picture(walk(coder, _planes(picture), known, mode))
    data = coder.finish()
    if len(data) > MAX_BYTES:
        raise PictureTooLongError(f"picture of {len(data)} bytes is over {MAX_BYTES}; a coarser step is needed")
    return data, out


def _checked(data: bytes) -> Decoder:
    if len(data) > MAX_BYTES:
        raise SyntaxLimitError(f"picture of {len(data)} bytes is over {MAX_BYTES}")
    return Decoder(data)


def encode_alone(picture: UInt8) -> bytes:
    """Code a picture (8, 8, 3) without loss, predicted only from grey: a keyframe's own."""
    grey = np.full((8, 8, 3), 128, np.uint8)
    alone = PictureHeader(luma=0, chroma=0)
    return min((encode_picture(picture, grey, grey, alone, PictureHeader(), mode)[0] for mode in range(MODES)), key=len)


def decode_alone(data: bytes) -> UInt8:
    """Inverse of :func:`encode_alone`. Raises only :class:`CodecError` kinds."""
    coder, grey = _checked(data), np.full((8, 8, 3), 128, np.int64).transpose(2, 0, 1)
    header = code_rest(coder, PictureHeader(code_distance(coder, 0)), PictureHeader())
    if header.distance or header.size:
        raise SyntaxLimitError("a keyframe's own picture rests on another")
    return _picture(walk(coder, None, Shared(grey, grey, header.steps), 0))


class PictureEncoder:
    """Encodes a stream of pictures; chooses reference and prediction mode by their estimated cost."""

    def __init__(self, luma: int = 3, chroma: int = 3, size: int = 0, rate: int = 0) -> None:
        """``luma`` and ``chroma`` are quantiser numbers, indexes of
        :data:`codec.pictures.header.STEPS`; ``size`` and ``rate`` of SIZES and RATES. All four may
        be changed from one picture to the next. Raises :class:`SyntaxLimitError`."""
        self.luma, self.chroma, self.size, self.rate = luma, chroma, size, rate
        PictureHeader(0, 0, luma, chroma, size, rate).check()
        self.references = References()
        self.acknowledged: int | None = None
        self.slot: int | None = None
        self.header = PictureHeader()
        """Header of the newest picture."""

    def set_keyframe(self, slot: int, own: UInt8) -> None:
        """Use the keyframe in ``slot`` from now on; ``own`` is its 8×8 picture.

        Use the slots in turn: replacing a slot's keyframe while pictures that refer to it are in
        flight would make sender and receiver differ. The peer decodes nothing until it holds the
        keyframe.
        """
        self.references.keep_keyframe(slot, own)
        self.slot = slot

    def acknowledge(self, number: int) -> None:
        """The peer holds picture ``number``. Older acknowledgements that arrive late change nothing."""
        if number in self.references.pictures and (self.acknowledged is None or (number - self.acknowledged) & 0xFFFF < 0x8000):
            self.acknowledged = number

    def encode(self, number: int, picture: UInt8, limit: int | None = None) -> tuple[bytes, UInt8]:
        """Picture number (modulo 2^16, each used once before the count wraps) and YCbCr (S, S, 3) →
        (bytes, the decoded picture).

        With a ``limit`` in bytes the quantiser is made coarser, by :data:`COARSER` steps at most,
        until the picture fits; and by as many steps as it takes to stay within :data:`MAX_BYTES`.

        Raises :class:`SyntaxLimitError` for a picture of another size, :class:`PictureTooLongError`
        for one of black-to-white noise, and :class:`ReferenceMissingError` without a keyframe.
        """
        unsigned(number, 2, "picture number")
        if self.slot is None:
            raise ReferenceMissingError("no keyframe is set")
        header = PictureHeader(0, self.slot, self.luma, self.chroma, self.size, self.rate)
        if picture.shape != (header.side, header.side, 3):
            raise SyntaxLimitError(f"picture {picture.shape} is not of side {header.side}")
        coarser, last = 0, len(STEPS) - 1
        while True:
            luma, chroma = (min(q + coarser, last) for q in (self.luma, self.chroma))
            try:
                data, decoded, header = self._best(number, picture, replace(header, luma=luma, chroma=chroma))
            except PictureTooLongError:
                if luma == chroma == last:
                    raise
            else:
                if limit is None or len(data) <= limit or coarser >= COARSER:
                    break
            coarser += 1
        self.references.remember(number, decoded, header)
        self.header = header
        return data, decoded

    def _distances(self, number: int) -> list[int]:
        if self.acknowledged is None:
            return [0]
        distance = (number - self.acknowledged) & 0xFFFF
        if 0 < distance <= DISTANCE_MAX and self.acknowledged in self.references.pictures:
            return [0, distance]
        # Out of reach for good. Forget it: after hours of pause the count has wrapped and another picture has its number.
        self.acknowledged = None
        return [0]

    def _best(self, number: int, picture: UInt8, wanted: PictureHeader) -> tuple[bytes, UInt8, PictureHeader]:
        """Code with the reference and the mode of the fewest estimated bits."""
        planes, own = _planes(picture), self.references.keyframe(wanted)
        tries = []
        for distance in self._distances(number):
            header = replace(wanted, distance=distance)
            reference = self.references.find(number, header)
            known = Shared(_planes(reference), _planes(own), header.steps)
            tries += [(expected_bits(planes, known, mode), i, header, reference, mode) for i, mode in enumerate(range(MODES))]
        _, _, header, reference, mode = min(tries, key=lambda t: t[:2])
        before = self.references.header_before(number, header.distance)
        return *encode_picture(picture, reference, own, header, before, mode), header


class PictureDecoder:
    """Decodes a stream of pictures."""

    def __init__(self) -> None:
        self.references = References()

    def set_keyframe(self, slot: int, own: UInt8) -> None:
        """Keep ``own``, the 8×8 picture of the keyframe in ``slot``, for pictures that refer to it."""
        self.references.keep_keyframe(slot, own)

    def decode(self, number: int, data: bytes) -> tuple[UInt8, PictureHeader]:
        """(picture YCbCr (S, S, 3), its header). Raises :class:`CodecError` kinds; the stream can
        continue after one."""
        coder = _checked(data)
        distance = code_distance(coder, 0)
        header = code_rest(coder, PictureHeader(distance), self.references.header_before(number, distance))
        reference = self.references.find(number, header)
        known = Shared(_planes(reference), _planes(self.references.keyframe(header)), header.steps)
        picture = _picture(walk(coder, None, known, 0))
        self.references.remember(number, picture, header)
        return picture, header
