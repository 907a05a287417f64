"""codec.pictures.rangecoder: any bits with any probabilities round-trip, and probable bits take few bytes."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.pictures.rangecoder import Decoder, Encoder

SYMBOL = st.tuples(st.integers(0, 32767), st.integers(0, 255))
"""(probability of a 0 in 32768ths, or 0 for equally likely; value: its lowest bit where there is a probability)
"""


def encode(symbols: list[tuple[int, int]]) -> bytes:
    coder = Encoder()
    for zero, value in symbols:
        if zero:
            coder.code(zero, value & 1)
        else:
            coder.code_equal(value, 8)
    return coder.finish()


def decode(data: bytes, like: list[tuple[int, int]]) -> list[int]:
    coder = Decoder(data)
    return [coder.code(zero) if zero else coder.code_equal(0, 8) for zero, _ in like]


def wanted(symbols: list[tuple[int, int]]) -> list[int]:
    return [value & 1 if zero else value for zero, value in symbols]


@given(symbols=st.lists(SYMBOL, max_size=400))
def test_round_trip(symbols: list[tuple[int, int]]) -> None:
    assert decode(encode(symbols), symbols) == wanted(symbols)


@pytest.mark.parametrize("seed", range(20))
def test_long_round_trip_with_extreme_probabilities(seed: int) -> None:
    rng = random.Random(seed)
    bias = rng.choice([0.001, 0.03, 0.5, 0.97, 0.999])
    symbols = [(rng.choice([1, 40, 16384, 32700, 32767]), int(rng.random() < bias)) for _ in range(6000)]
    assert decode(encode(symbols), symbols) == wanted(symbols)


@pytest.mark.parametrize("last", [0, 1])
def test_a_long_run_of_pending_ff_bytes_is_resolved_by_the_last_bit(last: int) -> None:
    """Bits are chosen so that the interval keeps containing the boundary at which a carry occurs, and FF
    bytes accumulate. The last bit decides on the carry."""
    coder, symbols = Encoder(), []
    for _ in range(400):
        # If low + half is below the boundary, a 1 keeps the boundary inside the interval, so that FF bytes accumulate.
        bit = int(coder._low + (coder._span >> 1) <= 0xFFFFFFFF)
        coder.code_equal(bit, 1)
        symbols.append(bit)
    longest = coder._pending
    coder.code_equal(last, 1)
    coder.code_equal(0xFF, 8)
    data = coder.finish()
    assert longest >= 40
    reader = Decoder(data)
    assert [reader.code_equal(0, 1) for _ in symbols] == symbols
    assert reader.code_equal(0, 1) == last
    assert reader.code_equal(0, 8) == 0xFF


@pytest.mark.parametrize("pending", [1, 2, 30, 1000])
def test_carry_and_no_carry_after_pending_bytes(pending: int) -> None:
    """The encoder's bytes are the digits of a number: a carry turns 'x FF FF ...' into 'x+1 00 00 ...'."""
    for carry in (0, 1):
        coder = Encoder()
        coder._first, coder._cache, coder._pending = False, 0x12, pending
        coder._low, coder._span = (carry << 32) + 0x01020304, 1
        data = coder.finish()
        middle = bytes([0xFF if carry == 0 else 0]) * pending
        assert data == bytes([0x12 + carry]) + middle + b"\x01\x02\x03\x04"


def test_no_symbols_give_no_bytes_and_probable_zeros_at_most_one() -> None:
    assert Encoder().finish() == b""
    coder = Encoder()
    for _ in range(192):
        coder.code(32500, 0)
    assert len(coder.finish()) <= 1


@given(data=st.binary(max_size=40), reads=st.lists(st.integers(0, 1), max_size=200))
def test_any_input_decodes_to_something(data: bytes, reads: list[int]) -> None:
    """The span also stays within its bounds: TOP <= span <= MASK."""
    coder = Decoder(data)
    for kind in reads:
        value = coder.code_equal(0, 3) if kind else coder.code(20000)
        assert 0 <= value < 8
        assert 1 << 24 <= coder._span < 1 << 32


def test_size_is_within_a_byte_and_a_thousandth_of_the_entropy() -> None:
    rng, share = random.Random(1), 0.1
    symbols = [(round(32768 * (1 - share)), int(rng.random() < share)) for _ in range(20000)]
    ones = sum(bit for _, bit in symbols)
    ideal = -(ones * math.log2(share) + (20000 - ones) * math.log2(1 - share)) / 8
    assert len(encode(symbols)) < ideal * 1.001 + 1


@given(zero=st.integers(1, 32767), bits=st.lists(st.booleans(), max_size=300))
def test_neither_part_of_the_interval_is_ever_empty(zero: int, bits: list[bool]) -> None:
    coder = Encoder()
    for bit in bits:
        coder.code(zero, int(bit))
        assert 1 << 24 <= coder._span < 1 << 32
    assert decode(coder.finish(), [(zero, int(b)) for b in bits]) == [int(b) for b in bits]
