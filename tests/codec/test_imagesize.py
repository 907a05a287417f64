"""codec.imagesize: the size of the coded image itself, whatever the file's boxes claim."""

import io
from pathlib import Path

import pytest
from PIL import Image

from codec.av1_still import MARK, with_file
from codec.errors import KeyframeError
from codec.imagesize import _sequence_size, avif_units, image_size


def saved(size: tuple[int, int], form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(256, 256), (255, 1), (16, 300), (1024, 512)])
def test_sizes_agree_with_pillow(size: tuple[int, int]) -> None:
    assert image_size(saved(size, "WEBP")) == ("webp", *size)
    assert image_size(saved(size, "WEBP", lossless=True)) == ("webp", *size)
    assert image_size(saved(size, "AVIF", subsampling="4:4:4")) == ("avif", *size)


def test_a_large_frame_is_detected_although_the_box_claims_256() -> None:
    big = saved((2048, 1024), "AVIF")
    told = (2048).to_bytes(4, "big") + (1024).to_bytes(4, "big")
    assert big.count(told) == 1
    liar = big.replace(told, (256).to_bytes(4, "big") * 2)
    with Image.open(io.BytesIO(liar)) as image:
        assert image.size == (256, 256), "Pillow believes the box"
    assert image_size(liar) == ("avif", 2048, 1024)


def test_bare_av1_units_are_measured_as_units_in_a_file() -> None:
    units = avif_units(saved((256, 256), "AVIF"))
    assert units.startswith(MARK)
    assert image_size(units) == ("av1", 256, 256)
    assert image_size(avif_units(saved((2048, 1024), "AVIF"))) == ("av1", 2048, 1024)
    for bad in (units[:-1], units[:3], MARK + b"\x32\x7f", units + units[2:3]):
        with pytest.raises(KeyframeError):
            image_size(bad)
    assert image_size(MARK) == ("av1", 0, 0), "no sequence header: the size is 0, which no keyframe may have"


def test_units_wrapped_in_our_file_decode_as_in_pillows_file() -> None:
    whole = saved((256, 256), "AVIF")
    with Image.open(io.BytesIO(whole)) as theirs, Image.open(io.BytesIO(with_file(avif_units(whole)))) as ours:
        assert (ours.size, ours.mode, ours.tobytes()) == ((256, 256), "RGB", theirs.tobytes())


def test_the_file_around_units_is_the_one_in_the_specification() -> None:
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    told = "".join(text.split("file around AV1 units -->")[1].split("<!--")[0].split())
    units = MARK + bytes(300)
    told = told.replace("LLLLLLLL", f"{len(units):08x}").replace("MMMMMMMM", f"{len(units) + 8:08x}")
    assert bytes.fromhex(told) + units == with_file(units)


def test_a_huge_webp_canvas_is_refused_before_anything_is_allocated() -> None:
    canvas = (16382).to_bytes(3, "little") * 2
    body = b"VP8X" + (10).to_bytes(4, "little") + b"\x02\0\0\0" + canvas
    with pytest.raises(KeyframeError, match="plain WebP"):
        image_size(b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body)


def sequence(width_bits: int, height_bits: int, width: int, height: int, flags: str = "00011") -> bytes:
    """The first fields of a sequence header: profile, still_picture, reduced_still_picture_header, level, sizes."""
    bits = flags + "00000" + f"{width_bits - 1:04b}{height_bits - 1:04b}"
    bits += f"{width - 1:0{width_bits}b}{height - 1:0{height_bits}b}"
    return int(bits.ljust(96, "0"), 2).to_bytes(12, "big")


def test_sequence_headers() -> None:
    assert _sequence_size(sequence(8, 8, 256, 256)) == (256, 256)
    assert _sequence_size(sequence(16, 9, 65536, 300)) == (65536, 300)
    for bad in (sequence(16, 8, 256, 256), sequence(8, 16, 256, 256), sequence(8, 8, 256, 256, "00010"), b"\x18\x1d"):
        # A frame could override the size with any size that fits into wider fields.
        with pytest.raises(KeyframeError):
            _sequence_size(bad)


def test_avif_in_another_layout_is_refused() -> None:
    good = saved((256, 256), "AVIF")
    meta, mdat = good.index(b"meta") - 4, good.index(b"mdat") - 4
    iloc = good.index(b"iloc")
    spoilt = {
        "a box after": good + b"\0\0\0\x08free",
        "no mdat": good[:mdat],
        "two of meta": good[:mdat] + good[meta:mdat] + good[mdat:],
        "two items": good[: iloc + 11] + b"\x02" + good[iloc + 12 :],
        "offset in the boxes": good[: iloc + 18] + bytes(4) + good[iloc + 22 :],
        "length past the end": good[: iloc + 22] + b"\0\1\0\0" + good[iloc + 26 :],
        "box longer than the file": b"\x7f" + good[1:],
        "box of no size": good + bytes(8),
        "a unit without a size": good[: mdat + 8] + b"\x10" + good[mdat + 9 :],
        "a unit past the end": good[: mdat + 9] + b"\xff\xff\x7f" + good[mdat + 12 :],
        "an endless unit size": good[: mdat + 9] + b"\xff" * (len(good) - mdat - 9),
    }
    assert image_size(good) == ("avif", 256, 256)
    for what, data in spoilt.items():
        with pytest.raises(KeyframeError):
            pytest.fail(f"{what} was accepted: {image_size(data)}")
