"""codec.rangecoder: whatever bits, in whatever contexts, come back; and few bytes for few surprises."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.rangecoder import Bit, Decoder, Encoder

SYMBOL = st.tuples(st.integers(-1, 4), st.integers(0, 255))
"""(context, or -1 for equally likely; value: its lowest bit where in a context)"""


def encode(symbols: list[tuple[int, int]], initial: int = 1 << 15) -> bytes:
    coder, contexts = Encoder(), [Bit(initial) for _ in range(5)]
    for context, value in symbols:
        if context < 0:
            coder.code_equal(value, 8)
        else:
            coder.code(contexts[context], value & 1)
    return coder.finish()


def decode(data: bytes, like: list[tuple[int, int]], initial: int = 1 << 15) -> list[int]:
    coder, contexts = Decoder(data), [Bit(initial) for _ in range(5)]
    return [coder.code_equal(0, 8) if context < 0 else coder.code(contexts[context]) for context, _ in like]


def wanted(symbols: list[tuple[int, int]]) -> list[int]:
    return [value if context < 0 else value & 1 for context, value in symbols]


@given(symbols=st.lists(SYMBOL, max_size=400), initial=st.integers(64, 65472))
def test_round_trip(symbols: list[tuple[int, int]], initial: int) -> None:
    assert decode(encode(symbols, initial), symbols, initial) == wanted(symbols)


@pytest.mark.parametrize("seed", range(20))
def test_long_round_trip_with_extreme_probabilities(seed: int) -> None:
    rng = random.Random(seed)
    bias = rng.choice([0.001, 0.03, 0.5, 0.97, 0.999])
    symbols = [(rng.randint(0, 4), int(rng.random() < bias)) for _ in range(6000)]
    assert decode(encode(symbols), symbols) == wanted(symbols)


@pytest.mark.parametrize("last", [0, 1])
def test_long_row_of_ff_in_doubt(last: int) -> None:
    """Bits are picked so that the interval keeps a boundary of many FF bytes inside; the last one decides on the carry."""
    coder, symbols = Encoder(), []
    for _ in range(400):
        # low + half < the boundary means that a 1 keeps the interval below it, so that FF bytes pile up.
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


def test_nothing_coded_is_no_bytes_and_zeros_cost_next_to_nothing() -> None:
    assert Encoder().finish() == b""
    coder, context = Encoder(), Bit()
    for _ in range(192):
        coder.code(context, 0)
    assert len(coder.finish()) <= 1


@given(data=st.binary(max_size=40), reads=st.lists(st.integers(0, 1), max_size=200))
def test_any_input_decodes_to_something(data: bytes, reads: list[int]) -> None:
    """And span never leaves its bounds: TOP <= span <= MASK."""
    coder, context = Decoder(data), Bit()
    for kind in reads:
        value = coder.code_equal(0, 3) if kind else coder.code(context)
        assert 0 <= value < 8
        assert 1 << 24 <= coder._span < 1 << 32


def test_size_is_within_a_byte_and_four_percent_of_the_entropy() -> None:
    rng, share = random.Random(1), 0.1
    symbols = [(0, int(rng.random() < share)) for _ in range(20000)]
    entropy = -20000 * (share * math.log2(share) + (1 - share) * math.log2(1 - share)) / 8
    # Two-speed estimates keep adapting, and pay for it where nothing changes.
    assert len(encode(symbols)) < entropy * 1.04 + 1


@given(bits=st.lists(st.booleans(), max_size=3000), initial=st.integers(64, 65472))
@settings(max_examples=30)
def test_a_context_stays_inside_sixteen_bits_and_both_parts_are_never_empty(bits: list[bool], initial: int) -> None:
    context = Bit(initial)
    for bit in bits:
        context.update(int(bit))
        assert 0 < context.fast < 65536
        assert 0 < context.slow < 65536
        for span in (1 << 24, 0xFFFFFFFF):
            assert 0 < context.bound(span) < span
