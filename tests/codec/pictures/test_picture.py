"""codec.pictures.picture, one picture at a time: the decoder returns exactly the encoder's decoded picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import CodecError, ReferenceMissingError, SyntaxLimitError
from codec.pictures.header import SIZES, STEPS, PictureHeader
from codec.pictures.picture import MAX_BYTES, PictureDecoder, PictureEncoder, decode_alone, encode_alone, encode_picture
from codec.pictures.planes import MODES
from codec.pictures.sampling import sample

SEED = st.integers(0, 2**32 - 1)
NUMBER = st.integers(0, 15)


def decode(data: bytes, reference: np.ndarray, own: np.ndarray, before: PictureHeader) -> tuple[np.ndarray, PictureHeader]:
    """Decode with ``own`` as the thumbnail of every slot and ``reference`` as the picture at every distance."""
    decoder = PictureDecoder()
    for slot in range(16):
        decoder.set_keyframe(slot, own)
    for number in range(20):
        decoder.references.remember(number, reference, before)
    return decoder.decode(20, data)


def pair(seed: int, side: int, spread: int) -> tuple[np.ndarray, np.ndarray]:
    """(picture, reference), both random, at most ``spread`` apart."""
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, (side, side, 3))
    picture = np.clip(reference + rng.integers(-spread, spread + 1, reference.shape), 0, 255)
    return picture.astype(np.uint8), reference.astype(np.uint8)


@given(
    SEED, st.integers(0, 3), st.integers(0, 3), st.sampled_from([0, 1, 5, 40, 255]), st.integers(1, 15), NUMBER, NUMBER, NUMBER,
    st.integers(0, MODES - 1),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_round_trip_is_bit_exact(
    seed: int, size: int, other: int, spread: int, distance: int, slot: int, luma: int, chroma: int, mode: int
) -> None:
    """At every size, also if the keyframe's thumbnail has another size."""
    side = SIZES[size]
    picture, reference = pair(seed, side, spread)
    _, own = pair(seed + 1, SIZES[other], 0)
    header, before = PictureHeader(distance, slot, luma, chroma, size, 2), PictureHeader(size=size)
    try:
        data, decoded = encode_picture(picture, reference, own, header, before, mode)
    except SyntaxLimitError:
        assert side >= 16, "an 8x8 or 12x12 picture always fits"
        assert spread >= 5 or mode == 1
        return
    assert len(data) <= MAX_BYTES
    found, told = decode(data, reference, own, before)
    assert told == header
    assert np.array_equal(found, decoded)
    # The error is at most half a step plus a twentieth of a step for the dead zone, and zero if the step is 1.
    for channel, number in enumerate((luma, chroma, chroma)):
        error = np.abs(decoded[..., channel].astype(int) - picture[..., channel]).max()
        assert error <= (0 if STEPS[number] == 1 else STEPS[number] * 0.55)


@pytest.mark.parametrize("mode", range(MODES))
@pytest.mark.parametrize("number", range(16))
def test_every_step_and_mode_on_the_worst_noise(mode: int, number: int) -> None:
    """Random black and white, predicted from the inverse: the longest possible 8x8 pictures stay far below the limit."""
    rng = np.random.default_rng(number)
    picture = (rng.integers(0, 2, (8, 8, 3)) * 255).astype(np.uint8)
    header = PictureHeader(1, 0, number, 15 - number)
    data, decoded = encode_picture(picture, 255 - picture, 255 - picture, header, PictureHeader(), mode)
    assert np.array_equal(decode(data, 255 - picture, 255 - picture, PictureHeader())[0], decoded)
    assert len(data) < 1000


def test_an_unchanged_picture_takes_at_most_two_bytes(face: np.ndarray) -> None:
    picture, usual = sample(face), PictureHeader(1)
    assert len(encode_picture(picture, picture, picture, usual, PictureHeader(), 0)[0]) <= 2


@given(SEED)
@settings(max_examples=30, deadline=None)
def test_a_thumbnail_is_coded_losslessly(seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    assert np.array_equal(decode_alone(encode_alone(picture)), picture)


def test_a_thumbnail_that_depends_on_another_picture_is_refused() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    data, _ = encode_picture(grey, grey, grey, PictureHeader(1), PictureHeader(), 0)
    with pytest.raises(SyntaxLimitError, match="rests on another"):
        decode_alone(data)


def test_zero_bytes_and_empty_data_decode_to_the_reference() -> None:
    reference = np.full((8, 8, 3), 77, np.uint8)
    bare, header = decode(b"", reference, reference, PictureHeader())
    assert np.array_equal(bare, reference)
    assert header == PictureHeader()
    for length in (1, 10, MAX_BYTES):
        assert np.array_equal(decode(bytes(length), reference, reference, PictureHeader())[0], bare)


def test_data_over_the_limit_is_refused() -> None:
    with pytest.raises(SyntaxLimitError):
        PictureDecoder().decode(0, bytes(MAX_BYTES + 1))
    with pytest.raises(SyntaxLimitError):
        decode_alone(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize("shape", [(8, 8), (8, 12, 3), (7, 7, 3), (8, 8, 4), (), (64, 64, 3)])
def test_a_reference_of_another_shape_is_a_typed_error(shape: tuple[int, ...]) -> None:
    reference = np.zeros(shape, np.uint8)
    with pytest.raises(SyntaxLimitError):
        PictureDecoder().set_keyframe(0, reference)
    good = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(SyntaxLimitError):
        encode_picture(good, reference, good, PictureHeader(), PictureHeader(), 0)


def test_picture_and_reference_of_different_sizes_are_a_typed_error() -> None:
    encoder = PictureEncoder()
    encoder.set_keyframe(0, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SyntaxLimitError):
        encoder.encode(0, np.zeros((12, 12, 3), np.uint8))
    with pytest.raises(SyntaxLimitError):
        encode_picture(*[np.zeros((8, 8, 3), np.uint8)] * 3, PictureHeader(), PictureHeader(), MODES)


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
        picture, header = decoder.decode(number, data)
    except CodecError:
        return
    assert picture.shape == (header.side, header.side, 3)
    assert header.slot % 2 == 0


def test_size_and_rate_may_change_from_one_picture_to_the_next(face: np.ndarray) -> None:
    encoder, decoder = PictureEncoder(), PictureDecoder()
    for side in (encoder, decoder):
        side.set_keyframe(2, sample(face))
    for number, size in enumerate((0, 0, 2, 2, 3, 1, 0)):
        encoder.size = size
        encoder.rate = size % 3
        data, made = encoder.encode(number, sample(face, SIZES[size]))
        found, header = decoder.decode(number, data)
        assert np.array_equal(made, found)
        assert (header.side, header.rate, header.slot) == (SIZES[size], size % 3, 2)
        encoder.acknowledge(number)


@pytest.mark.parametrize("size", [12, 16, 32])
@pytest.mark.parametrize("limit", [None, 300])
@pytest.mark.parametrize("contrast", [40, 80])
def test_large_pictures_of_noise_are_coded_more_coarsely_until_they_fit(size: int, limit: int | None, contrast: int) -> None:
    rng = np.random.default_rng(size)
    own = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    encoder, decoder = PictureEncoder(luma=0, chroma=0, size=SIZES.index(size)), PictureDecoder()
    for side in (encoder, decoder):
        side.set_keyframe(0, own)
    for number in range(3):
        noise = (128 - contrast // 2 + rng.integers(0, contrast, (size, size, 3))).astype(np.uint8)
        data, decoded = encoder.encode(number, noise, limit)
        assert len(data) <= MAX_BYTES
        assert np.array_equal(decoder.decode(number, data)[0], decoded)
        encoder.acknowledge(number)
