"""The size of an AVIF or WebP picture, read from its bytes before any decoder sees them.

A decoder trusts its input: 60 KB of AV1 can hold a frame of 16384×16384 behind a box that states
256×256, and a WebP decoder allocates its canvas on opening. So only the plain form that an encoder
writes for one still picture is accepted: no animation, alpha plane, second item, or metadata. For
AV1 every sequence header is read, because it bounds the size of every frame.
"""

from codec.av1_still import MARK
from codec.errors import KeyframeError

_OBU_SEQUENCE_HEADER = 1


def image_size(data: bytes) -> tuple[str, int, int]:
    """("avif", "av1" or "webp", width, height); "av1": the units of an AVIF file without the container
    (:mod:`codec.av1_still`). Raises :class:`KeyframeError` for anything but one plain picture."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ("webp", *_webp_size(data))
    if data[4:12] == b"ftypavif":
        return ("avif", *_av1_size(avif_units(data)))
    if data.startswith(MARK):
        return ("av1", *_av1_size(data))
    raise KeyframeError("keyframe image is neither AVIF, AV1 nor WebP")


def _webp_size(data: bytes) -> tuple[int, int]:
    # WebP container specification: "Simple File Format". Lossy: RFC 6386 section 9.1; lossless: RFC 9649 section 3.4.
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a" and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    if data[12:16] == b"VP8L" and data[20:21] == b"\x2f" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise KeyframeError("keyframe image is not a plain WebP picture")


def _boxes(data: bytes, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """(type, start of contents, end) of the ISO boxes in ``data[start:end]``."""
    found = []
    while start < end:
        size = int.from_bytes(data[start : start + 4], "big")
        if start + 8 > end or not 8 <= size <= end - start:
            raise KeyframeError("keyframe image has a damaged box")
        found.append((data[start + 4 : start + 8], start + 8, start + size))
        start += size
    return found


def avif_units(data: bytes) -> bytes:
    """The AV1 units in an AVIF file. Raises :class:`KeyframeError` for any other layout than libavif's."""
    boxes = _boxes(data, 0, len(data))
    if [kind for kind, _, _ in boxes] != [b"ftyp", b"meta", b"mdat"]:
        raise KeyframeError("keyframe image is not one plain AVIF picture")
    _, meta_start, meta_end = boxes[1]
    places = [data[start:end] for kind, start, end in _boxes(data, meta_start + 4, meta_end) if kind == b"iloc"]
    # Version 0, offsets and lengths of four bytes, no base offset, one item in this file in one piece.
    if (
        len(places) != 1
        or len(places[0]) != 22
        or places[0][:8] != bytes.fromhex("0000000044000001")
        or places[0][10:14] != bytes.fromhex("00000001")
    ):
        raise KeyframeError("keyframe image has more than one item, or its item is split")
    offset, length = int.from_bytes(places[0][14:18], "big"), int.from_bytes(places[0][18:22], "big")
    if offset < boxes[2][1] or offset + length > len(data):
        raise KeyframeError("keyframe image's data is outside its box")
    return data[offset : offset + length]


def _av1_size(data: bytes) -> tuple[int, int]:
    """Largest frame size that the sequence headers among these OBUs allow (AV1 specification, sections
    5.3 and 5.5)."""
    at, size = 0, (0, 0)
    while at < len(data):
        header = data[at]
        if header & 0x83 != 2:  # forbidden bit 0, a size field, reserved bit 0
            raise KeyframeError("keyframe image has an AV1 unit without a size")
        at += 2 if header & 4 else 1
        length = shift = 0
        while True:
            if at >= len(data) or shift > 28:
                raise KeyframeError("keyframe image has a damaged AV1 unit")
            length |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 128:
                break
        if at + length > len(data):
            raise KeyframeError("keyframe image has a damaged AV1 unit")
        if header >> 3 & 15 == _OBU_SEQUENCE_HEADER:
            width, height = _sequence_size(data[at : at + length])
            size = max(size[0], width), max(size[1], height)
        at += length
    return size


def _sequence_size(data: bytes) -> tuple[int, int]:
    """(width, height) in a sequence header. A frame can override them with any value that fits the size
    fields, so the fields must be no wider than this size needs."""
    if len(data) < 7 or not data[0] & 8:
        raise KeyframeError("keyframe image is not coded as a still picture")
    bits, left = int.from_bytes(data[:7], "big"), 56 - 10
    fields = []
    width_bits, height_bits = (bits >> left - 4 & 15) + 1, (bits >> left - 8 & 15) + 1
    left -= 8
    for count in (width_bits, height_bits):
        left -= count
        value = (bits >> left & (1 << count) - 1) + 1
        if max(1, (value - 1).bit_length()) != count:
            raise KeyframeError("keyframe image has a sequence header with needlessly wide size fields")
        fields.append(value)
    return fields[0], fields[1]
