"""codec.pictures.contexts, codec.pictures.probabilities and codec.pictures.header: the syntax of
sizes and of the header, and the trained tables' bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import SyntaxLimitError
from codec.pictures.contexts import BIN_OF, BINS, CONTEXTS, SIGN_AT, SIZE_AT, STEPS_OF_SIZE, code_size
from codec.pictures.header import DISTANCE_MAX, PictureHeader, code_distance, code_rest
from codec.pictures.probabilities import ZERO
from codec.pictures.rangecoder import Decoder, Encoder

HEADER = st.builds(
    PictureHeader, st.integers(0, 15), st.integers(0, 15), st.integers(0, 15), st.integers(0, 15), st.integers(0, 3),
    st.integers(0, 5),
)  # fmt: skip


def test_every_context_has_a_valid_probability() -> None:
    assert len(ZERO) == CONTEXTS
    assert all(1 <= p <= 32767 for p in ZERO)


def test_bins_grow_with_the_weighted_sum() -> None:
    assert BIN_OF[0] == 0
    assert BIN_OF[-1] == BINS - 1
    assert list(BIN_OF) == sorted(BIN_OF)
    assert BIN_OF[64] - BIN_OF[16] == 5  # two and a half bins per doubling


def test_sizes_round_trip_in_every_context() -> None:
    rng = random.Random(0)
    places = list(range(SIZE_AT, SIGN_AT, STEPS_OF_SIZE)) * 4
    sizes = [rng.choice([1, 2, 7, 8, 14, 15, 16, 255, rng.randint(1, 255)]) for _ in places]
    coder = Encoder()
    for size, at in zip(sizes, places, strict=True):
        assert code_size(coder, size, at) == size
    reader = Decoder(coder.finish())
    assert [code_size(reader, 0, at) for at in places] == sizes


def test_every_size_up_to_the_escapes_limit_round_trips() -> None:
    for size in range(1, 526):
        coder = Encoder()
        code_size(coder, size, 0)
        assert code_size(Decoder(coder.finish()), 0, 0) == size


def test_encoder_and_decoder_refuse_sizes_beyond_the_escapes_limit() -> None:
    with pytest.raises(SyntaxLimitError):
        code_size(Encoder(), 526, 0)
    with pytest.raises(SyntaxLimitError):
        code_size(Decoder(b"\xff" * 40), 0, 0)


@given(HEADER, HEADER)
def test_a_header_round_trips(header: PictureHeader, before: PictureHeader) -> None:
    coder = Encoder()
    assert code_distance(coder, header.distance) == header.distance
    assert code_rest(coder, header, before) == header
    reader = Decoder(coder.finish())
    assert code_rest(reader, PictureHeader(code_distance(reader, 0)), before) == header


def test_a_header_equal_to_the_references_takes_at_most_one_byte() -> None:
    before = PictureHeader(2, 3, 4, 5, 1, 2)
    coder = Encoder()
    code_distance(coder, 1)
    code_rest(coder, PictureHeader(1, 3, 4, 5, 1, 2), before)
    assert len(coder.finish()) <= 1


@pytest.mark.parametrize(("field", "most"), [(0, DISTANCE_MAX), (1, 15), (2, 15), (3, 15), (4, 3), (5, 5)])
def test_a_header_field_out_of_range_is_refused(field: int, most: int) -> None:
    for value in (-1, most + 1):
        fields = [1] * 6
        fields[field] = value
        with pytest.raises(SyntaxLimitError):
            PictureHeader(*fields).check()


def test_undefined_rates_and_steps_out_of_range_are_refused() -> None:
    before, refused = PictureHeader(), 0
    for first in range(256):
        for second in (0, 0x55, 0xFF):
            try:
                reader = Decoder(bytes([0xFE, first, second, second]))
                code_rest(reader, PictureHeader(code_distance(reader, 0)), before).check()
            except SyntaxLimitError:
                refused += 1
    assert refused > 20
