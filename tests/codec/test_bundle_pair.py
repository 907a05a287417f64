"""codec.bundle_pair: a pair is split into its two bundles, any other message is returned unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.bundle import MAX_BUNDLE, Bundle
from codec.bundle_pair import MARK, OVERHEAD, join_bundles, split_bundles
from codec.errors import CodecError, SyntaxLimitError, TruncatedError
from tests.codec.test_bundle import BUNDLES


@given(BUNDLES, BUNDLES)
def test_a_pair_round_trips(first: Bundle, second: Bundle) -> None:
    packed = first.pack(), second.pack()
    if sum(map(len, packed)) + OVERHEAD > MAX_BUNDLE:
        with pytest.raises(SyntaxLimitError):
            join_bundles(*packed)
        return
    assert split_bundles(join_bundles(*packed)) == packed
    assert split_bundles(packed[0]) == packed[:1]


def test_bytes_of_a_pair() -> None:
    """The bytes are those that docs/format.md specifies."""
    assert join_bundles(Bundle(1, 2).pack(), Bundle(2, 12).pack()).hex(" ") == "60 00 05 00 00 01 00 02 00 00 02 00 0c"


def test_no_bundle_starts_with_the_mark_of_a_pair() -> None:
    with pytest.raises(SyntaxLimitError):
        Bundle.parse(bytes([MARK]) + bytes(20))


@pytest.mark.parametrize("broken", [b"\x60", b"\x60\x00", b"\x60\x00\x06abcde", b"\x60\xff\xffab"])
def test_a_pair_cut_off_raises_truncated_error(broken: bytes) -> None:
    with pytest.raises(TruncatedError):
        split_bundles(broken)


def test_a_pair_of_pairs_is_refused() -> None:
    pair = join_bundles(Bundle(1, 2).pack(), Bundle(2, 3).pack())
    with pytest.raises(CodecError):
        Bundle.parse(split_bundles(join_bundles(pair, pair))[0])
    with pytest.raises(SyntaxLimitError):
        split_bundles(pair[:3] + bytes(MAX_BUNDLE))


@given(st.binary(max_size=100).map(lambda rest: bytes([MARK]) + rest))
def test_any_bytes_are_split_or_raise_a_codec_error(data: bytes) -> None:
    try:
        first, second = split_bundles(data)
    except CodecError:
        return
    assert data[OVERHEAD:] == first + second
