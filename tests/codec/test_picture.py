"""codec.picture: one picture at a time; what the decoder gives is what the encoder said it would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import CodecError, ReferenceMissingError, SyntaxLimitError, TruncatedError
from codec.picture import (
    MAX_BYTES,
    PREDICTIONS,
    SIZES,
    STEPS,
    PictureDecoder,
    PictureEncoder,
    PictureHeader,
    decode_picture,
    encode_picture,
)
from codec.sampling import sample

SEED = st.integers(0, 2**32 - 1)
HEADER = st.builds(PictureHeader, *[st.integers(0, 15)] * 4)


def pair(seed: int, side: int, spread: int) -> tuple[np.ndarray, np.ndarray]:
    """(picture, reference), both random, at most ``spread`` apart."""
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, (side, side, 3))
    picture = np.clip(reference + rng.integers(-spread, spread + 1, reference.shape), 0, 255)
    return picture.astype(np.uint8), reference.astype(np.uint8)


@given(SEED, st.sampled_from(SIZES), st.sampled_from([0, 1, 5, 40, 255]), HEADER, st.integers(0, PREDICTIONS - 1))
@settings(max_examples=150, deadline=None)
def test_round_trip_is_bit_exact(seed: int, side: int, spread: int, header: PictureHeader, mode: int) -> None:
    picture, reference = pair(seed, side, spread)
    try:
        data, decoded = encode_picture(picture, reference, header, mode)
    except SyntaxLimitError:
        assert side >= 16, "an 8x8 or 12x12 picture always fits"
        assert spread >= 5
        return
    assert len(data) <= MAX_BYTES
    assert PictureHeader.parse(data) == header
    assert np.array_equal(decode_picture(data, reference), decoded)
    # Half a step, a twentieth of it more for the dead zone, and never wrong where the step is 1.
    for channel, number in enumerate((header.luma, header.chroma, header.chroma)):
        error = np.abs(decoded[..., channel].astype(int) - picture[..., channel]).max()
        assert error <= (0 if STEPS[number] == 1 else STEPS[number] * 0.55)


@pytest.mark.parametrize("mode", range(PREDICTIONS))
@pytest.mark.parametrize("number", range(16))
def test_every_step_and_mode_on_the_worst_noise(mode: int, number: int) -> None:
    """Black against white and back at random: the longest 8x8 pictures there are stay far below the limit."""
    rng = np.random.default_rng(number)
    picture = (rng.integers(0, 2, (8, 8, 3)) * 255).astype(np.uint8)
    data, decoded = encode_picture(picture, 255 - picture, PictureHeader(number, 15 - number, 0, 0), mode)
    assert np.array_equal(decode_picture(data, 255 - picture), decoded)
    assert len(data) < 700


def test_an_unchanged_picture_costs_next_to_nothing(face: np.ndarray) -> None:
    picture = sample(face)
    sizes = [len(encode_picture(picture, picture, PictureHeader(1, 2, 1, 0), mode)[0]) for mode in range(PREDICTIONS)]
    assert min(sizes) <= 5


def test_a_payload_of_zeros_or_none_decodes() -> None:
    reference = np.full((8, 8, 3), 128, np.uint8)
    bare = decode_picture(b"\0\0", reference)
    assert np.array_equal(bare, reference)
    for length in (1, 10, MAX_BYTES - 2):
        assert np.array_equal(decode_picture(b"\0\0" + bytes(length), reference), bare)


@pytest.mark.parametrize("data", [b"", b"\0"])
def test_no_header_is_truncated(data: bytes) -> None:
    with pytest.raises(TruncatedError):
        PictureHeader.parse(data)


def test_too_long_is_refused() -> None:
    with pytest.raises(SyntaxLimitError):
        decode_picture(bytes(MAX_BYTES + 1), np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("field", range(4))
@pytest.mark.parametrize("value", [-1, 16])
def test_a_header_field_out_of_range_is_refused(field: int, value: int) -> None:
    fields = [1, 1, 1, 1]
    fields[field] = value
    with pytest.raises(SyntaxLimitError):
        PictureHeader(*fields).pack()


@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 3), (7, 7, 3), (8, 8, 4), (), (64, 64, 3)])
def test_a_reference_of_another_shape_is_a_typed_error(shape: tuple[int, ...]) -> None:
    reference = np.zeros(shape, np.uint8)
    with pytest.raises(SyntaxLimitError):
        decode_picture(b"\0\0", reference)
    with pytest.raises(SyntaxLimitError):
        PictureDecoder().set_keyframe(0, reference)
    with pytest.raises(SyntaxLimitError):
        encode_picture(np.zeros((8, 8, 3), np.uint8), reference, PictureHeader(0, 0, 0, 0), 0)


def test_picture_and_reference_of_two_sizes_are_a_typed_error() -> None:
    encoder = PictureEncoder()
    encoder.set_keyframe(0, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SyntaxLimitError):
        encoder.encode(0, np.zeros((12, 12, 3), np.uint8))
    with pytest.raises(SyntaxLimitError):
        encode_picture(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), PictureHeader(0, 0, 0, 0), 3)


@pytest.mark.parametrize("slot", [-1, 16])
def test_slots_and_numbers_out_of_range_are_refused(slot: int) -> None:
    own = np.zeros((8, 8, 3), np.uint8)
    for side in (PictureEncoder(), PictureDecoder()):
        with pytest.raises(SyntaxLimitError):
            side.set_keyframe(slot, own)
    encoder = PictureEncoder()
    with pytest.raises(ReferenceMissingError):
        encoder.encode(0, own)
    encoder.set_keyframe(0, own)
    with pytest.raises(SyntaxLimitError):
        encoder.encode(65536, own)


@given(data=st.binary(max_size=300), number=st.integers(0, 65535))
@settings(deadline=None)
def test_any_bytes_decode_or_raise_a_codec_error(data: bytes, number: int) -> None:
    decoder = PictureDecoder()
    for slot in range(0, 16, 2):
        decoder.set_keyframe(slot, np.full((8, 8, 3), 128, np.uint8))
    try:
        picture, slot = decoder.decode(number, data)
    except CodecError:
        return
    assert picture.shape == (8, 8, 3)
    assert slot % 2 == 0
