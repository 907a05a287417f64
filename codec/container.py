"""The ``.fw`` file: the bundles and keyframes of a call, as they crossed the wire. See
docs/format.md for the bytes."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from codec.bundle import MAX_BUNDLE, Bundle
from codec.errors import ContainerError, SyntaxLimitError
from codec.keyframe import MAX_KEYFRAME, Keyframe, parse_keyframe
from codec.pictures.header import SLOTS
from codec.wirebytes import unsigned

MAGIC = b"FACEWIRE"
VERSION = 4
_LIMITS = {ord("B"): MAX_BUNDLE, ord("K"): MAX_KEYFRAME + 1, ord("E"): 4}


@dataclass(frozen=True)
class StoredKeyframe:
    """A keyframe record: the slot it goes into, and the keyframe."""

    slot: int
    keyframe: Keyframe


@dataclass(frozen=True)
class End:
    """The end record: how many video frames at 25 FPS the recording lasts, so that a decoder
    outputs exactly as many."""

    frames: int


class FileWriter:
    """Writes records as they arrive; a file cut off anywhere can be read up to its last complete record."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        file.write(MAGIC + bytes([VERSION]))

    def _record(self, kind: bytes, payload: bytes) -> None:
        check = zlib.crc32(kind + payload).to_bytes(4, "big")
        self.file.write(kind + len(payload).to_bytes(3, "big") + payload + check)

    def keyframe(self, slot: int, keyframe: Keyframe) -> None:
        if not 0 <= slot < SLOTS:
            raise SyntaxLimitError(f"keyframe slot {slot} is outside 0..{SLOTS - 1}")
        self._record(b"K", bytes([slot]) + keyframe.data)

    def bundle(self, bundle: Bundle) -> None:
        self._record(b"B", bundle.pack())

    def end(self, frames: int) -> None:
        self._record(b"E", unsigned(frames, 4, "number of frames"))


def read_file(file: BinaryIO) -> Iterator[StoredKeyframe | Bundle | End]:
    """The records of a ``.fw`` file in order. Records of unknown kind are skipped.

    Raises :class:`ContainerError` at once when it is not such a file. Iterating raises
    :class:`ContainerError` at the first damaged record, where reading ends, and other
    :class:`CodecError` kinds for a complete record with bad contents; after those, ``next`` may be
    called again and continues with the following record.
    """
    head = file.read(len(MAGIC) + 1)
    if head[: len(MAGIC)] != MAGIC:
        raise ContainerError("not a .fw file")
    if head[len(MAGIC) :] != bytes([VERSION]):
        raise ContainerError(f"version {head[len(MAGIC) :].hex() or 'missing'} of .fw is not known")
    return _Records(file)


class _Records(Iterator[StoredKeyframe | Bundle | End]):
    """Not a generator, because a generator ends once it has raised."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.over = False

    def __next__(self) -> StoredKeyframe | Bundle | End:
        while not self.over:
            self.over = True  # stays so if the file ends or is damaged here
            start = self.file.read(4)
            if not start:
                break
            payload = self._payload(start)
            self.over = False
            item = _parse(start[0], payload)
            if item is not None:
                return item
        raise StopIteration

    def _payload(self, start: bytes) -> bytes:
        if len(start) < 4:
            raise ContainerError("file ends inside a record")
        size = int.from_bytes(start[1:], "big")
        if size > _LIMITS.get(start[0], MAX_KEYFRAME):
            raise ContainerError(f"record of {size} bytes is over the limit")
        payload = self.file.read(size + 4)
        if len(payload) < size + 4:
            raise ContainerError("file ends inside a record")
        if zlib.crc32(start[:1] + payload[:size]).to_bytes(4, "big") != payload[size:]:
            raise ContainerError("record is damaged (checksum)")
        return payload[:size]


def _parse(kind: int, payload: bytes) -> StoredKeyframe | Bundle | End | None:
    if kind == ord("K"):
        if not payload or payload[0] >= SLOTS:
            raise SyntaxLimitError("keyframe record without a valid slot")
        return StoredKeyframe(payload[0], parse_keyframe(payload[1:]))
    if kind == ord("B"):
        return Bundle.parse(payload)
    if kind == ord("E"):
        if len(payload) != 4:
            raise SyntaxLimitError("end record has the wrong length")
        return End(int.from_bytes(payload, "big"))
    return None
