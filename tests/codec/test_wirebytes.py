"""codec.wirebytes: Opus's variable-length number and the bounded reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import SyntaxLimitError, TruncatedError
from codec.wirebytes import Reader, pack_length, unsigned


def test_every_length_round_trips_and_has_one_coding() -> None:
    codings = [pack_length(value) for value in range(1276)]
    assert len(set(codings)) == 1276
    for value, coding in enumerate(codings):
        reader = Reader(coding)
        assert reader.length() == value
        assert reader.left == 0
        assert len(coding) == (1 if value < 252 else 2)


def test_lengths_of_rfc_6716() -> None:
    """RFC 6716 section 3.2.1: a first byte of 252..255, then a second byte in units of four."""
    assert Reader(bytes([252, 1])).length() == 256
    assert Reader(bytes([255, 255])).length() == 1275


@pytest.mark.parametrize("value", [-1, 1276, 10**9])
def test_other_lengths_are_refused(value: int) -> None:
    with pytest.raises(SyntaxLimitError):
        pack_length(value)


@given(data=st.binary(max_size=20), counts=st.lists(st.integers(0, 8), max_size=8))
def test_the_reader_returns_bytes_in_order_or_raises_truncated_error(data: bytes, counts: list[int]) -> None:
    reader, got = Reader(data), b""
    for count in counts:
        if count <= reader.left:
            got += reader.take(count)
        else:
            at = reader.at
            with pytest.raises(TruncatedError):
                reader.take(count)
            assert reader.at == at
    assert data.startswith(got)
    assert reader.left == len(data) - len(got)


@pytest.mark.parametrize("data", [b"", b"\xfc"])
def test_a_length_that_ends_early_raises_truncated_error(data: bytes) -> None:
    with pytest.raises(TruncatedError):
        Reader(data).length()


@pytest.mark.parametrize(("value", "size"), [(-1, 1), (256, 1), (65536, 2), (1 << 32, 4)])
def test_unsigned_names_the_field_that_it_refuses(value: int, size: int) -> None:
    assert unsigned(255, size, "x")[-1] == 255
    with pytest.raises(SyntaxLimitError, match=f"thing {value}"):
        unsigned(value, size, "thing")
