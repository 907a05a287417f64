"""codec.container: records are read as they were written, up to the first damage."""

import io
import zlib

import pytest

from codec.bundle import Bundle
from codec.container import End, FileWriter, StoredKeyframe, read_file
from codec.errors import CodecError, ContainerError, KeyframeError, SyntaxLimitError, TruncatedError
from codec.keyframe import Keyframe

HEAD = b"FACEWIRE\x04"
Item = StoredKeyframe | Bundle | End


def record(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(3, "big") + payload + zlib.crc32(kind + payload).to_bytes(4, "big")


@pytest.fixture(scope="module")
def items(keyframe: Keyframe) -> list[Item]:
    bundles = [Bundle(n, 10 * n, picture=bytes([n]) * 30, sound=(bytes(40),)) for n in range(3)]
    return [StoredKeyframe(2, keyframe), *bundles, End(15)]


@pytest.fixture(scope="module")
def written(items: list[Item]) -> tuple[bytes, list[int]]:
    """(the bytes of the file, the offset at which each record ends)"""
    file, ends = io.BytesIO(), []
    writer = FileWriter(file)
    for item in items:
        if isinstance(item, StoredKeyframe):
            writer.keyframe(item.slot, item.keyframe)
        elif isinstance(item, Bundle):
            writer.bundle(item)
        else:
            writer.end(item.frames)
        ends.append(file.tell())
    return file.getvalue(), ends


def read(data: bytes) -> tuple[list[Item], CodecError | None]:
    got: list[Item] = []
    try:
        for item in read_file(io.BytesIO(data)):
            got.append(item)  # extend() would keep nothing if an error is raised
    except CodecError as error:
        return got, error
    return got, None


def read_on(data: bytes) -> list[Item | type[CodecError]]:
    """All items and error types, as seen by a reader that continues after a bad record."""
    got: list[Item | type[CodecError]] = []
    records = read_file(io.BytesIO(data))
    while True:
        try:
            got.append(next(records))
        except StopIteration:
            return got
        except CodecError as error:
            got.append(type(error))


def test_round_trip(items: list[Item], written: tuple[bytes, list[int]]) -> None:
    assert read(written[0]) == (items, None)
    assert read(HEAD) == ([], None)


def test_of_a_file_cut_off_at_any_byte_all_whole_records_are_read(items: list[Item], written: tuple[bytes, list[int]]) -> None:
    data, ends = written
    # Cuts inside the keyframe are all equivalent and slow to parse, so only every 50th is tried.
    cuts = [*range(0, 30), *range(30, ends[0] - 8, 50), *range(ends[0] - 8, len(data))]
    for cut in cuts:
        got, error = read(data[:cut])
        assert got == items[: sum(end <= cut for end in ends)]
        assert (error is None) == (cut in (len(HEAD), *ends))
        assert error is None or isinstance(error, ContainerError)


def test_reading_ends_at_any_damaged_byte(items: list[Item], written: tuple[bytes, list[int]]) -> None:
    data, ends = written
    for at in range(ends[0], len(data)):
        got, error = read(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        whole = sum(end <= at for end in ends)
        assert got == items[:whole]
        assert isinstance(error, ContainerError), f"byte {at}"


@pytest.mark.parametrize("data", [b"", b"FACEWIRE", b"FACEWIRE\x01", b"FACEWIRF\x02", b"RIFF" + bytes(40)])
def test_other_files_are_refused_at_once(data: bytes) -> None:
    with pytest.raises(ContainerError):
        read_file(io.BytesIO(data))


def test_records_of_unknown_kind_are_skipped(items: list[Item]) -> None:
    data = HEAD + record(b"Z", bytes(1000)) + record(b"B", Bundle(1, 2).pack()) + record(b"\0", b"")
    assert read(data) == ([Bundle(1, 2)], None)


def test_a_whole_record_with_bad_contents_is_reported_and_skipped() -> None:
    good = record(b"B", Bundle(1, 2).pack())
    bad = [record(b"B", b""), record(b"B", b"\x80" * 5), record(b"K", b""), record(b"K", b"\x10"), record(b"K", b"\0FK2")]
    data = HEAD + good + b"".join(bad) + record(b"E", b"\0\0\1") + good
    kinds = [TruncatedError, SyntaxLimitError, SyntaxLimitError, SyntaxLimitError, KeyframeError, SyntaxLimitError]
    assert read_on(data) == [Bundle(1, 2), *kinds, Bundle(1, 2)]


def test_reading_ends_after_a_damaged_record() -> None:
    good = record(b"B", Bundle(1, 2).pack())
    assert read_on(HEAD + good + good[:-1] + b"\xee" + good) == [Bundle(1, 2), ContainerError]


@pytest.mark.parametrize(("kind", "size"), [(b"B", 16385), (b"K", 65538), (b"E", 5), (b"Z", 65537), (b"B", 0xFFFFFF)])
def test_sizes_over_the_limit_are_refused_before_reading(kind: bytes, size: int) -> None:
    with pytest.raises(ContainerError, match="over the limit"):
        next(read_file(io.BytesIO(HEAD + kind + size.to_bytes(3, "big"))))


def test_fields_out_of_range_are_refused_when_writing(keyframe: Keyframe) -> None:
    file = io.BytesIO()
    writer = FileWriter(file)
    for slot in (-1, 16, 256):
        with pytest.raises(SyntaxLimitError):
            writer.keyframe(slot, keyframe)
    for frames in (-1, 1 << 32):
        with pytest.raises(SyntaxLimitError):
            writer.end(frames)
    with pytest.raises(SyntaxLimitError):
        writer.bundle(Bundle(70000, 0))
    assert file.getvalue() == HEAD, "a refused record was partly written"
