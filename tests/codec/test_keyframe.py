"""codec.keyframe: all formats, the limits, and hostile bytes."""

import hashlib
import io
import math

import numpy as np
import pytest
from PIL import Image

from codec.errors import KeyframeError
from codec.keyframe import MAX_KEYFRAME, Keyframe, default_format, encode_keyframe, parse_keyframe
from codec.pictures.sampling import sample
from codec.wirebytes import pack_length

pytestmark = pytest.mark.filterwarnings("error")

EXIF = Image.Exif()
EXIF[0x010E] = "a description"


def wrap(image: bytes, own: bytes = b"\0\0") -> bytes:
    return b"FK2" + pack_length(len(own)) + own + b"\0" + image


def saved(size: tuple[int, int], form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["av1", "avif", "webp"])
def test_round_trip(face: np.ndarray, form: str) -> None:
    keyframe = encode_keyframe(face, form=form)
    assert parse_keyframe(keyframe.data) == keyframe
    assert np.array_equal(parse_keyframe(keyframe.data).rgb, keyframe.rgb)
    assert keyframe.rgb.shape == (256, 256, 3)
    assert keyframe.rgb.dtype == np.uint8
    error = np.mean((keyframe.rgb.astype(float) - face) ** 2)
    assert 10 * math.log10(255**2 / error) > 32
    assert keyframe.digest == hashlib.sha256(keyframe.data).digest()[:8]


def test_the_thumbnail_is_made_of_the_original_crop_in_every_image_format(face: np.ndarray) -> None:
    for form in ("av1", "avif", "webp"):
        assert np.array_equal(encode_keyframe(face, quality=5, form=form).thumbnail, sample(face))


def test_bare_av1_units_give_the_same_picture_in_fewer_bytes(face: np.ndarray) -> None:
    bare, filed = encode_keyframe(face, form="av1"), encode_keyframe(face, form="avif")
    assert 200 < len(filed.data) - len(bare.data) < 400  # 275 with libavif 1.4
    assert np.array_equal(bare.rgb, filed.rgb)


def test_the_encoders_file_is_kept_if_its_colour_signalling_differs(face: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own file signals fixed colours; a later version of Pillow may signal others."""
    save = Image.Image.save

    def other(image: Image.Image, file: io.BytesIO, form: str, **options: object) -> None:
        save(image, part := io.BytesIO(), form, **options)
        file.write(part.getvalue().replace(bytes.fromhex("0001000d000680"), bytes.fromhex("0001000d000180")))

    monkeypatch.setattr(Image.Image, "save", other)
    keyframe = encode_keyframe(face, form="av1")
    assert b"ftypavif" in keyframe.data
    assert parse_keyframe(keyframe.data) == keyframe


def test_av1_is_the_default_and_quality_changes_the_size(face: np.ndarray) -> None:
    assert default_format() == "av1"
    low, high = encode_keyframe(face, 20), encode_keyframe(face, 90)
    assert low.data[20:] != high.data[20:]
    assert len(low.data) < len(high.data) < 20_000


def test_keyframes_compare_by_their_bytes(face: np.ndarray, keyframe: Keyframe) -> None:
    assert keyframe == parse_keyframe(keyframe.data)
    assert keyframe != encode_keyframe(face, quality=10, form="webp")
    assert len({keyframe, parse_keyframe(keyframe.data)}) == 1


@pytest.mark.parametrize(
    ("rgb", "quality", "form"),
    [
        (np.zeros((128, 256, 3), np.uint8), 60, "webp"),
        (np.zeros((256, 256), np.uint8), 60, "webp"),
        (np.zeros((256, 256, 3), np.float32), 60, "webp"),
        (np.zeros((256, 256, 3), np.uint8), 60, "jpeg"),
        (np.zeros((256, 256, 3), np.uint8), 0, "avif"),
        (np.zeros((256, 256, 3), np.uint8), 101, "avif"),
    ],
)
def test_arrays_qualities_and_formats_that_are_not_allowed_are_refused(rgb: np.ndarray, quality: int, form: str) -> None:
    with pytest.raises(KeyframeError, match="must be 256x256"):
        encode_keyframe(rgb, quality, form)


def test_noise_at_full_quality_is_over_the_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    with pytest.raises(KeyframeError, match="over 65536"):
        encode_keyframe(noise, 100)


def test_a_keyframe_cut_off_anywhere_raises_keyframe_error(keyframe: Keyframe) -> None:
    # A WebP decoder may accept a file without its last bytes, but the length in the container is checked.
    for end in range(len(keyframe.data)):
        with pytest.raises(KeyframeError):
            parse_keyframe(keyframe.data[:end])


@pytest.mark.parametrize("image", [b"", b"RIFF", saved((256, 256), "PNG"), saved((256, 256), "JPEG"), b"\0" * 500])
def test_other_formats_are_refused(image: bytes) -> None:
    with pytest.raises(KeyframeError):
        parse_keyframe(wrap(image))


@pytest.mark.parametrize("form", ["AVIF", "WEBP"])
@pytest.mark.parametrize("size", [(128, 256), (256, 255), (257, 256), (2048, 2048)])
def test_other_sizes_are_refused(size: tuple[int, int], form: str) -> None:
    with pytest.raises(KeyframeError, match=f"{size[0]}x{size[1]}, not 256x256|plain|wide"):
        parse_keyframe(wrap(saved(size, form)))


@pytest.mark.parametrize("form", ["AVIF", "WEBP"])
def test_animations_and_metadata_are_refused(form: str) -> None:
    second = Image.new("RGB", (256, 256), "red")
    with pytest.raises(KeyframeError):
        parse_keyframe(wrap(saved((256, 256), form, save_all=True, append_images=[second])))
    with pytest.raises(KeyframeError):
        parse_keyframe(wrap(saved((256, 256), form, exif=EXIF.tobytes())))


def test_other_headers_are_refused(keyframe: Keyframe) -> None:
    for data in (b"", b"FK1" + keyframe.data[3:], keyframe.data[:3] + b"\x01\0" + keyframe.data[5:], bytes(MAX_KEYFRAME + 1)):
        with pytest.raises(KeyframeError):
            parse_keyframe(data)
