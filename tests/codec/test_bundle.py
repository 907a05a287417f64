"""codec.bundle: any valid bundle round-trips; anything else is a typed error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.bundle import MAX_BUNDLE, MAX_PACKETS, TICK_MODES, Bundle, Face, Report
from codec.errors import CodecError, SyntaxLimitError, TruncatedError

NUMBER = st.integers(0, 65535)
PACKETS = st.lists(st.binary(max_size=300), max_size=MAX_PACKETS).map(tuple)
PICTURES = st.one_of(st.just((None, None)), st.tuples(st.binary(max_size=1275), st.one_of(st.none(), st.binary(max_size=1275))))
BUNDLES = st.builds(
    lambda pair, **fields: Bundle(picture=pair[0], shape=pair[1], **fields),
    pair=PICTURES,
    number=NUMBER,
    time=NUMBER,
    tick_mode=st.integers(0, len(TICK_MODES) - 1),
    sound=PACKETS,
    report=st.one_of(st.none(), st.builds(Report, NUMBER, st.integers(0, 255))),
    redundant=PACKETS,
    face=st.sampled_from(Face),
    muted=st.booleans(),
    pausing=st.booleans(),
)


@given(BUNDLES)
def test_any_valid_bundle_round_trips(bundle: Bundle) -> None:
    assert Bundle.parse(bundle.pack()) == bundle


@given(BUNDLES)
@settings(max_examples=20)
def test_a_bundle_cut_off_anywhere_raises_truncated_error(bundle: Bundle) -> None:
    data = bundle.pack()
    for end in range(0, len(data), max(1, len(data) // 100)):
        with pytest.raises(TruncatedError):
            Bundle.parse(data[:end])
    with pytest.raises(SyntaxLimitError, match="1 bytes left over"):
        Bundle.parse(data + b"\0")


@given(st.binary(max_size=200))
def test_any_bytes_raise_a_codec_error_or_parse_to_a_bundle_that_round_trips(data: bytes) -> None:
    try:
        bundle = Bundle.parse(data)
    except CodecError:
        return
    assert Bundle.parse(bundle.pack()) == bundle


def test_bytes_of_a_small_bundle() -> None:
    """The bytes are those that docs/format.md specifies."""
    bundle = Bundle(0x1234, 0x5678, 1, b"\xaa\xbb", (b"\x01",), Report(0x0102, 3), (b"", b"\x02\x03"), Face.LEAVING, True)
    assert bundle.pack().hex(" ") == "3f 12 34 56 78 01 02 03 13 02 aa bb 01 01 01 02 00 02 02 03"
    assert Bundle(1, 2).pack().hex(" ") == "00 00 01 00 02"
    assert Bundle(1, 2, 0, b"\xaa", (b"\x05",), shape=b"\xcc\xdd").pack().hex(" ") == "83 00 01 00 02 01 aa 02 cc dd 01 01 05"


@pytest.mark.parametrize("tick_mode", range(len(TICK_MODES)))
def test_tick_lengths(tick_mode: int) -> None:
    assert Bundle(0, 0, tick_mode).tick_ms == (200, 100, 60)[tick_mode]


@pytest.mark.parametrize(
    "bundle",
    [
        Bundle(-1, 0),
        Bundle(65536, 0),
        Bundle(0, -1),
        Bundle(0, 65536),
        Bundle(0, 0, -1),
        Bundle(0, 0, 3),
        Bundle(0, 0, report=Report(65536)),
        Bundle(0, 0, report=Report(0, 256)),
        Bundle(0, 0, report=Report(0, -1)),
        Bundle(0, 0, picture=bytes(1276)),
        Bundle(0, 0, picture=b"", shape=bytes(1276)),
        Bundle(0, 0, shape=b""),
        Bundle(0, 0, sound=(bytes(1276),)),
        Bundle(0, 0, sound=(b"",) * 21),
        Bundle(0, 0, redundant=(bytes(1000),) * 17),
    ],
)
def test_fields_out_of_range_are_refused_when_packing(bundle: Bundle) -> None:
    with pytest.raises(SyntaxLimitError):
        bundle.pack()


@pytest.mark.parametrize(
    "data",
    ["80 0000 0000 00", "60 0000 0000", "10 0000 0000 06", "10 0000 0000 40", "02 0000 0000 00", "02 0000 0000 15" + " 00" * 21],
)
def test_undefined_flags_status_and_counts_are_refused(data: str) -> None:
    with pytest.raises(SyntaxLimitError):
        Bundle.parse(bytes.fromhex(data))


def test_a_bundle_over_the_limit_is_refused_without_parsing() -> None:
    with pytest.raises(SyntaxLimitError, match="over"):
        Bundle.parse(bytes(MAX_BUNDLE + 1))
