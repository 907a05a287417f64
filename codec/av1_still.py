"""AV1 still pictures without their AVIF container: a keyframe's picture as it is sent.

An AVIF file of one picture is the units (OBUs) of an AV1 stream in 275 bytes of boxes, the same for every keyframe.
Only the units are sent; the receiver puts them back into these boxes (ISO/IEC 23008-12, AVIF 1.1).
"""

SIDE = 256
MARK = b"\x12\x00"
"""What the units begin with: a temporal delimiter (AV1 specification, section 5.6)."""


def _box(kind: bytes, *parts: bytes) -> bytes:
    contents = b"".join(parts)
    return (8 + len(contents)).to_bytes(4, "big") + kind + contents


def _head(at: int, length: int) -> bytes:
    """The boxes before ``mdat``; the units are ``length`` bytes, at file offset ``at``."""
    place = bytes.fromhex("00000000 4400 0001 0001 0000 0001") + at.to_bytes(4, "big") + length.to_bytes(4, "big")
    properties = (
        _box(b"ispe", bytes(4), SIDE.to_bytes(4, "big") * 2),
        _box(b"pixi", bytes.fromhex("00000000 03 080808")),  # three components of 8 bits
        _box(b"av1C", bytes.fromhex("81000c00")),  # main profile, 4:2:0
        _box(b"colr", b"nclx", bytes.fromhex("0001 000d 0006 80")),  # BT.709's primaries, sRGB, BT.601's matrix, full range
    )
    meta = (
        _box(b"hdlr", bytes(8), b"pict", bytes(13)),
        _box(b"pitm", bytes.fromhex("00000000 0001")),
        _box(b"iloc", place),
        _box(b"iinf", bytes.fromhex("00000000 0001"), _box(b"infe", bytes.fromhex("02000000 0001 0000"), b"av01Color\0")),
        _box(b"iprp", _box(b"ipco", *properties), _box(b"ipma", bytes.fromhex("00000000 00000001 0001 04 01028304"))),
    )
    return _box(b"ftyp", b"avif", bytes(4), b"avifmif1miafMA1B") + _box(b"meta", bytes(4), *meta)


def with_file(units: bytes) -> bytes:
    """The units of a 256×256 picture of 8 bits, 4:2:0 → an AVIF file."""
    begin = len(_head(0, 0)) + 8
    return _head(begin, len(units)) + _box(b"mdat", units)
