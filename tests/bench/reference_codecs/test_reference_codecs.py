"""Every rival really encodes and decodes, in both modes, and only its pictures are counted."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.reference_codecs.codecs import CODECS, MODES, Format, parse_format
from bench.reference_codecs.ffmpeg import FfmpegError, decode, encode, encoders, shown, shrunk

SMALL = Format(128, 5)


@pytest.fixture(scope="module")
def crops(faces):
    return [cv2.resize(f, (256, 256), interpolation=cv2.INTER_AREA) for f in faces]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_the_installed_ffmpeg_has_all_encoders():
    assert encoders() == frozenset(CODECS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", list(CODECS))
def test_each_rival_decodes_the_pictures_that_it_encoded(crops, name, mode):
    codec = CODECS[name]
    coded = encode(crops, codec, mode, codec.qualities[0], SMALL)
    pictures, seconds = decode(coded, codec, SMALL)
    sent = shrunk(crops, SMALL)
    assert len(pictures) == len(sent) == len(coded.sizes) == 9
    assert min(psnr(a, b) for a, b in zip(pictures, sent, strict=True)) > 28
    # Only the first picture is a keyframe; only pictures are counted.
    assert coded.sizes[0] > max(coded.sizes[1:])
    assert sum(coded.sizes) <= len(coded.stream)
    assert coded.encode_seconds >= 0
    assert seconds >= 0
    floor = encode(crops, codec, mode, codec.qualities[-1], SMALL)
    assert sum(floor.sizes) < sum(coded.sizes) / 2


def test_the_stream_does_not_contain_the_encoder_settings(crops):
    for name, text in (("h264", b"x264"), ("h265", b"x265")):
        assert text not in encode(crops[:5], CODECS[name], "low-delay", 51, SMALL).stream


def test_low_delay_codes_pictures_in_the_order_in_which_they_are_shown(crops):
    """A frame coded after a later one would add delay."""
    for name in ("h264", "h265", "av1"):
        coded = encode(crops, CODECS[name], "low-delay", CODECS[name].qualities[1], Format(64, 1))
        pictures, _ = decode(coded, CODECS[name], Format(64, 1))
        assert len(pictures) == len(coded.sizes) == len(crops)


def test_a_picture_is_held_until_the_next_one(crops):
    pictures = shrunk(crops[:12], SMALL)
    frames = shown(pictures, SMALL, 12)
    assert [f.shape for f in frames] == [(256, 256, 3)] * 12
    assert [next(i for i, p in enumerate(frames) if p is f) for f in frames] == [0] * 5 + [5] * 5 + [10] * 2
    assert psnr(frames[0], crops[0]) > 20


def test_formats_have_names():
    assert str(SMALL) == "128px@5"
    assert parse_format("256px@12.5") == Format(256, 2)
    with pytest.raises(ValueError, match="'12px@1' is none of 256px@25"):
        parse_format("12px@1")


def test_a_failing_encoder_gives_a_one_line_error(crops):
    with pytest.raises(FfmpegError, match=r"ffmpeg failed: .+") as told:
        encode(crops[:2], replace(CODECS["h264"], encoder="nonesuch"), "low-delay", 36, SMALL)
    assert "\n" not in str(told.value)
    with pytest.raises(ValueError, match="not none"):
        encode([], CODECS["h264"], "low-delay", 36, SMALL)
    with pytest.raises(ValueError, match="is not low-delay or best"):
        CODECS["h264"].arguments("fast", 1)
