"""The ``.fw`` file: the bundles and keyframes of a call, as they crossed the wire. See docs/format.md for the bytes."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from codec.bundle import MAX_BUNDLE, Bundle
from codec.errors import CodecError, ContainerError
from codec.keyframe import MAX_KEYFRAME, Keyframe, parse_keyframe
from codec.picture import SLOTS

MAGIC = b"FACEWIRE"
VERSION = 1
_LIMITS = {ord("B"): MAX_BUNDLE, ord("K"): MAX_KEYFRAME + 1, ord("E"): 4}


@dataclass(frozen=True)
class StoredKeyframe:
    """A keyframe record: the slot it goes into, and the keyframe."""

    slot: int
    keyframe: Keyframe


@dataclass(frozen=True)
class End:
    """The end record: how many video frames at 25 FPS the recording lasts, so that a decoder gives exactly as many."""

    frames: int


class FileWriter:
    """Writes records as they come; a file cut off anywhere can be read up to its last whole record."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        file.write(MAGIC + bytes([VERSION]))

    def _record(self, kind: bytes, payload: bytes) -> None:
        check = zlib.crc32(kind + payload).to_bytes(4, "big")
        self.file.write(kind + len(payload).to_bytes(3, "big") + payload + check)

    def keyframe(self, slot: int, keyframe: Keyframe) -> None:
        self._record(b"K", bytes([slot]) + keyframe.data)

    def bundle(self, bundle: Bundle) -> None:
        self._record(b"B", bundle.pack())

    def end(self, frames: int) -> None:
        self._record(b"E", frames.to_bytes(4, "big"))


def read_file(file: BinaryIO) -> Iterator[StoredKeyframe | Bundle | End]:
    """The records of a ``.fw`` file in order. Records of unknown kind are skipped.

    Raises :class:`ContainerError` when it is not such a file or at the first damaged record, and other
    :class:`CodecError` kinds for a record whose contents are bad.
    """
    head = file.read(len(MAGIC) + 1)
    if head[: len(MAGIC)] != MAGIC:
        raise ContainerError("not a .fw file")
    if head[len(MAGIC) :] != bytes([VERSION]):
        raise ContainerError(f"version {head[len(MAGIC) :].hex() or 'missing'} of .fw is not known")
    while start := file.read(4):
        if len(start) < 4:
            raise ContainerError("file ends inside a record")
        kind, size = start[0], int.from_bytes(start[1:], "big")
        if size > _LIMITS.get(kind, MAX_KEYFRAME):
            raise ContainerError(f"record of {size} bytes is over the limit")
        payload = file.read(size + 4)
        if len(payload) < size + 4:
            raise ContainerError("file ends inside a record")
        payload, check = payload[:size], payload[size:]
        if zlib.crc32(start[:1] + payload).to_bytes(4, "big") != check:
            raise ContainerError("record is damaged (checksum)")
        if kind == ord("K"):
            if not payload or payload[0] >= SLOTS:
                raise CodecError("keyframe record without a valid slot")
            yield StoredKeyframe(payload[0], parse_keyframe(payload[1:]))
        elif kind == ord("B"):
            yield Bundle.parse(payload)
        elif kind == ord("E"):
            if size != 4:
                raise CodecError("end record of a wrong length")
            yield End(int.from_bytes(payload, "big"))
