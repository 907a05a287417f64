"""The keyframe: one sharp 256×256 picture of the person, as AV1 or WebP, with its own 8×8 picture
and, where they are known, the positions of its face's points.

Its bytes carry the 8×8 picture explicitly (coded against grey at step 1), so that the reference of
later pictures does not depend on how a version of an image library decodes. Layout in
docs/format.md.
"""

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from codec.av1_still import MARK, with_file
from codec.errors import CodecError, KeyframeError
from codec.imagesize import avif_units, image_size
from codec.media.types import Float32, UInt8
from codec.pictures.picture import decode_alone, encode_alone
from codec.pictures.sampling import sample
from codec.shape.keyframe_points import pack_points, parse_points
from codec.wirebytes import Reader, pack_length

SIDE = 256
MAX_KEYFRAME = 65_536
HASH = 8
"""Bytes of SHA-256 that name a keyframe in the cache."""
QUALITY = 65
"""AV1 or WebP quality of a keyframe: above it, LPIPS of the rendered video hardly falls
(``bench.picture.keyframe_curve``). Browsers have their own scale: signaling/web/peer/media/still.js."""
_MAGIC = b"FK2"
_FORMATS = {"avif": "AVIF", "av1": "AVIF", "webp": "WEBP"}


def default_format() -> str:
    """AV1 where this Pillow supports it, else WebP."""
    return "av1" if features.check("avif") else "webp"


@dataclass(frozen=True)
class Keyframe:
    """A parsed keyframe: ``data`` is what is sent, hashed and compared, ``rgb`` (256, 256, 3),
    ``thumbnail`` (8, 8, 3) YCbCr, ``points`` (54, 2) of its face in pixels, None where they are not known."""

    data: bytes
    rgb: UInt8 = field(compare=False, repr=False)
    thumbnail: UInt8 = field(compare=False, repr=False)
    points: Float32 | None = field(default=None, compare=False, repr=False)

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()[:HASH]


def encode_keyframe(rgb: UInt8, quality: int = QUALITY, form: str | None = None, points: Float32 | None = None) -> Keyframe:
    """Face crop (256, 256, 3) uint8 → keyframe. ``quality`` 1..100, ``form`` "av1", "avif" (the
    same in its container) or "webp", ``points``: see :class:`Keyframe`.

    Raises :class:`KeyframeError` for another size or form, or when the result is over 64 KiB.
    """
    form = form or default_format()
    if rgb.shape != (SIDE, SIDE, 3) or rgb.dtype != np.uint8 or form not in _FORMATS or not 1 <= quality <= 100:
        wanted = f"keyframe must be {SIDE}x{SIDE} RGB uint8 as av1, avif or webp of quality 1..100"
        raise KeyframeError(f"{wanted}, not {rgb.shape} {rgb.dtype} as {form} of quality {quality}")
    buffer = io.BytesIO()
    options = {"method": 6} if form == "webp" else {"speed": 6, "subsampling": "4:2:0"}
    Image.fromarray(rgb).save(buffer, _FORMATS[form], quality=quality, **options)
    image_bytes = _without_file(buffer.getvalue()) if form == "av1" else buffer.getvalue()
    thumbnail = encode_alone(sample(rgb))
    packed_points = b"" if points is None else pack_points(points)
    parts = (pack_length(len(part)) + part for part in (thumbnail, packed_points))
    data = _MAGIC + b"".join(parts) + image_bytes
    return parse_keyframe(data)


def parse_keyframe(data: bytes) -> Keyframe:
    """Untrusted bytes → keyframe. The image's size and format are checked before its pixels are decoded.

    Raises :class:`KeyframeError` only.
    """
    if len(data) > MAX_KEYFRAME:
        raise KeyframeError(f"keyframe of {len(data)} bytes is over {MAX_KEYFRAME}")
    try:
        reader = Reader(data)
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise KeyframeError("not a keyframe")
        thumbnail = decode_alone(reader.take(reader.length()))
        packed_points = reader.take(reader.length())
        points = parse_points(packed_points) if packed_points else None
        image_bytes = reader.take(reader.left)
    except KeyframeError:
        raise
    except CodecError as error:
        raise KeyframeError(f"keyframe: {error}") from error
    return Keyframe(data, _decode_image(image_bytes), thumbnail, points)


def _without_file(avif: bytes) -> bytes:
    """An AVIF file's units, if they decode to the same picture in our own container; else the whole file, because an
    encoder may choose other colour properties some day. Raises :class:`KeyframeError`."""
    units = avif_units(avif)
    if units.startswith(MARK) and np.array_equal(_decode_image(units), _decode_image(avif)):
        return units
    return avif


def _decode_image(data: bytes) -> UInt8:
    form, width, height = image_size(data)
    if (width, height) != (SIDE, SIDE):
        raise KeyframeError(f"keyframe image is {width}x{height}, not {SIDE}x{SIDE}")
    data = with_file(data) if form == "av1" else data
    try:
        with Image.open(io.BytesIO(data), formats=(_FORMATS[form],)) as image:
            if image.size != (SIDE, SIDE):
                raise KeyframeError(f"keyframe image is {image.size[0]}x{image.size[1]}, not {SIDE}x{SIDE}")
            if getattr(image, "n_frames", 1) != 1:
                raise KeyframeError("keyframe image is an animation")
            return np.asarray(image.convert("RGB"), np.uint8)
    except KeyframeError:
        raise
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        RuntimeError,
        MemoryError,
    ) as error:
        raise KeyframeError(f"keyframe image cannot be decoded: {type(error).__name__}") from error
