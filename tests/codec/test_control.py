"""codec.control: messages round-trip, hostile ones are typed errors, keyframes are assembled or fail cleanly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.control import (
    MAX_CHUNK,
    Bye,
    Hello,
    KeyframeAssembler,
    KeyframeChunk,
    KeyframeNotice,
    Message,
    SafetyCommitment,
    SafetyNumber,
    Verb,
    parse_message,
)
from codec.errors import CodecError, KeyframeError, SyntaxLimitError, TruncatedError
from codec.keyframe import MAX_KEYFRAME, Keyframe

SLOT, DIGEST = st.integers(0, 15), st.binary(min_size=8, max_size=8)
TICK_MODES = st.lists(st.integers(20, 1000), min_size=1, max_size=8).map(tuple)
NAME = st.text("abcXYZ019._+-", max_size=64)
MESSAGES = st.one_of(
    st.builds(Hello, st.integers(1, 255), st.sampled_from([8, 12, 16, 32]), TICK_MODES, NAME),
    st.builds(
        KeyframeChunk, SLOT, DIGEST, st.integers(40000, MAX_KEYFRAME), st.integers(0, 30000), st.binary(min_size=1, max_size=900)
    ),
    st.builds(KeyframeNotice, st.sampled_from(Verb), SLOT, DIGEST),
    st.just(Bye()),
    st.builds(SafetyCommitment, st.binary(min_size=32, max_size=32)),
    st.builds(SafetyNumber, st.binary(min_size=32, max_size=32)),
)


def hello(**changes: object) -> bytes:
    fields = {"version": 1, "size": 8, "rungs": [200], "model": "call"}
    return b"\x01" + json.dumps(fields | changes).encode()


def chunks(keyframe: Keyframe, size: int) -> list[KeyframeChunk]:
    data = keyframe.data
    return [KeyframeChunk(5, keyframe.digest, len(data), at, data[at : at + size]) for at in range(0, len(data), size)]


@given(MESSAGES)
def test_every_message_round_trips(message: Message) -> None:
    assert parse_message(message.pack()) == message


@given(st.binary(max_size=60))
def test_any_bytes_parse_or_raise_a_codec_error(data: bytes) -> None:
    try:
        message = parse_message(data)
    except CodecError:
        return
    assert message is None or parse_message(message.pack()) == message


def test_bytes_of_each_message() -> None:
    """The bytes are those that docs/format.md specifies."""
    digest = bytes(range(8))
    hello = b'\x01{"version":4,"size":8,"rungs":[200,100,60],"model":"call-1"'
    assert Hello(model="call-1", pairs=False).pack() == hello + b"}"
    assert Hello(model="call-1").pack() == hello + b',"pairs":true}'
    chunk = KeyframeChunk(3, digest, 0x0304, 0x0102, b"\xaa")
    assert chunk.pack().hex(" ") == "02 03 00 01 02 03 04 05 06 07 00 00 03 04 00 00 01 02 aa"
    assert KeyframeNotice(Verb.HAVE, 3, digest).pack().hex(" ") == "03 01 03 00 01 02 03 04 05 06 07"
    assert Bye().pack().hex(" ") == "05"


def test_unknown_types_are_skipped() -> None:
    for kind in (0, *range(8, 256)):
        assert parse_message(bytes([kind]) + b"anything") is None


def test_numbers_in_hello_are_parsed_as_in_javascript() -> None:
    assert parse_message(hello(version=4.0, rungs=[2e2])) == Hello(4, 8, (200,), "call", pairs=False)


def test_unknown_members_of_hello_are_skipped() -> None:
    assert parse_message(hello(extra={"deep": [1]})) == Hello(1, 8, (200,), "call", pairs=False)


@pytest.mark.parametrize("told", [None, 1, "true", [True]])
def test_pairs_are_accepted_only_if_hello_says_true(told: object) -> None:
    """Other values, which a later version may send, are not errors."""
    assert parse_message(hello(pairs=True)) == Hello(1, 8, (200,), "call")
    assert parse_message(hello(pairs=told)) == Hello(1, 8, (200,), "call", pairs=False)


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        b"\x01[]",
        b"\x01{",
        b"\x01null",
        b"\x01\xff\xfe",
        b"\x01" + b"[" * 1024,
        b"\x01" + b" " * 1025,
        hello(version=0),
        hello(version=256),
        hello(version=True),
        hello(version="1"),
        hello(version=1.5),
        hello(extra=float("nan")),
        hello(size=9),
        hello(size=[8]),
        hello(rungs=[]),
        hello(rungs=[200] * 9),
        hello(rungs=[10]),
        hello(rungs=[10**300]),
        hello(rungs=[float("nan")]),
        hello(rungs={"a": 1}),
        hello(rungs=[[200]]),
        hello(model=None),
        hello(model="x" * 65),
        hello(model="a\nb"),
        hello(model="\ud800"),
        b"\x03\x03" + bytes(9),
        b"\x03\x00\x10" + bytes(8),
        b"\x03\x00\x00" + bytes(9),
        b"\x05\x00",
    ],
)
def test_messages_outside_the_limits_are_refused(data: bytes) -> None:
    with pytest.raises(SyntaxLimitError):
        parse_message(data)


@pytest.mark.parametrize(
    "fields",
    [
        (16, bytes(8), 100, 0, b"x"),
        (0, bytes(7), 100, 0, b"x"),
        (0, bytes(8), 0, 0, b"x"),
        (0, bytes(8), MAX_KEYFRAME + 1, 0, b"x"),
        (0, bytes(8), 100, 100, b"x"),
        (0, bytes(8), 100, -1, b"x"),
        (0, bytes(8), 100, 0, b""),
        (0, bytes(8), MAX_KEYFRAME, 0, bytes(MAX_CHUNK + 1)),
    ],
)
def test_chunks_with_fields_out_of_range_are_refused(fields: tuple[int, bytes, int, int, bytes]) -> None:
    with pytest.raises(SyntaxLimitError):
        KeyframeChunk(*fields)


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x02\x00" + bytes(15), b"\x03\x00\x00" + bytes(7)])
def test_a_message_cut_off_raises_truncated_error(data: bytes) -> None:
    with pytest.raises(TruncatedError):
        parse_message(data)


@pytest.mark.parametrize("size", [500, 77, MAX_CHUNK])
def test_a_keyframe_is_assembled_from_chunks(keyframe: Keyframe, size: int) -> None:
    assembler = KeyframeAssembler()
    results = [assembler.add(chunk) for chunk in chunks(keyframe, size)]
    assert results[:-1] == [None] * (len(results) - 1)
    assert results[-1] == (5, keyframe)


def test_a_chunk_at_offset_0_restarts_the_assembly(keyframe: Keyframe) -> None:
    assembler, parts = KeyframeAssembler(), chunks(keyframe, 500)
    for part in parts[:-1]:
        assembler.add(part)
    assert [assembler.add(part) for part in parts][-1] == (5, keyframe)


def test_chunks_that_do_not_continue_the_keyframe_are_errors_and_reset_the_assembler(keyframe: Keyframe) -> None:
    first, second, third = chunks(keyframe, 500)[:3]
    foreign = [
        third,
        second,
        KeyframeChunk(6, second.digest, second.total, 500, second.data),
        KeyframeChunk(5, bytes(8), second.total, 500, second.data),
        KeyframeChunk(5, second.digest, second.total + 1, 500, second.data),
    ]
    for bad in foreign:
        assembler = KeyframeAssembler()
        if bad is not second:
            assembler.add(first)
        with pytest.raises(KeyframeError):
            assembler.add(bad)
        with pytest.raises(KeyframeError, match="does not follow"):
            assembler.add(second)
        assert [assembler.add(part) for part in chunks(keyframe, 500)][-1] == (5, keyframe)


def test_a_wrong_digest_and_an_invalid_keyframe_are_errors(keyframe: Keyframe) -> None:
    assembler = KeyframeAssembler()
    for digest, data in ((bytes(8), keyframe.data), (Keyframe(b"junk", keyframe.rgb, keyframe.thumbnail).digest, b"junk")):
        with pytest.raises(KeyframeError):
            assembler.add(KeyframeChunk(0, digest, len(data), 0, data))
