"""Messages of the reliable control channel: one byte of type, then the payload. See docs/format.md
for the bytes.

A message of a type that this version does not know parses as None, so that versions can differ.
Keyframes are sent here in chunks. A keyframe is first offered by its digest: a peer that has it in
its cache answers "have", and the transfer is skipped.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from enum import IntEnum

from codec.errors import KeyframeError, SyntaxLimitError
from codec.keyframe import HASH, MAX_KEYFRAME, Keyframe, parse_keyframe
from codec.pictures.header import SIZES, SLOTS
from codec.safety_code import NONCE
from codec.wirebytes import Reader, unsigned

VERSION = 4
MAX_CHUNK = 16_384
MAX_HELLO = 1024
MAX_TICK_MODES = 8
_NAME = re.compile(r"[A-Za-z0-9._+-]{0,64}")
_HELLO = 1
_CHUNK = 2
_NOTICE = 3
_BYE = 5
_COMMITMENT = 6
_NUMBER = 7
# 4 is reserved.


@dataclass(frozen=True)
class Hello:
    """What a peer supports: protocol version, side of the pictures, tick lengths in milliseconds, name of its network;
    ``pairs``: whether it accepts two bundles in one message (:mod:`codec.bundle_pair`)."""

    version: int = VERSION
    size: int = 8
    tick_modes: tuple[int, ...] = (200, 100, 60)
    model: str = ""
    pairs: bool = True

    def __post_init__(self) -> None:
        numbers = (self.version, self.size, *self.tick_modes)
        # bool is an int to Python but not to JSON.
        if any(not isinstance(n, int) or isinstance(n, bool) for n in numbers) or not 1 <= self.version <= 255:
            raise SyntaxLimitError("hello: version, size or rungs are not numbers in range")
        if (
            self.size not in SIZES
            or not 0 < len(self.tick_modes) <= MAX_TICK_MODES
            or any(not 20 <= r <= 1000 for r in self.tick_modes)
        ):
            raise SyntaxLimitError("hello: size or rungs are not known")
        if not isinstance(self.model, str) or not _NAME.fullmatch(self.model):
            raise SyntaxLimitError("hello: model is not a name of up to 64 letters, digits and . _ + -")

    def pack(self) -> bytes:
        fields = {"version": self.version, "size": self.size, "rungs": list(self.tick_modes), "model": self.model}
        if self.pairs:
            fields["pairs"] = True
        return bytes([_HELLO]) + json.dumps(fields, separators=(",", ":")).encode()


@dataclass(frozen=True)
class KeyframeChunk:
    """``data`` at ``offset`` of the keyframe of ``total`` bytes named ``digest``, which goes into ``slot``."""

    slot: int
    digest: bytes
    total: int
    offset: int
    data: bytes

    def __post_init__(self) -> None:
        _check_name(self.slot, self.digest)
        if not 0 < self.total <= MAX_KEYFRAME:
            raise SyntaxLimitError(f"keyframe of {self.total} bytes is outside 1..{MAX_KEYFRAME}")
        if not 0 < len(self.data) <= MAX_CHUNK or self.offset < 0 or self.offset + len(self.data) > self.total:
            raise SyntaxLimitError(f"keyframe chunk of {len(self.data)} bytes at {self.offset} does not fit")

    def pack(self) -> bytes:
        place = unsigned(self.total, 4, "total") + unsigned(self.offset, 4, "offset")
        return bytes([_CHUNK, self.slot]) + self.digest + place + self.data


class Verb(IntEnum):
    """OFFER: I have this keyframe for you. HAVE: I hold it, use it. REQUEST: send it (a digest of zeros:
    whatever is in the slot)."""

    OFFER = 0
    HAVE = 1
    REQUEST = 2


@dataclass(frozen=True)
class KeyframeNotice:
    """Offers, confirms or requests the keyframe ``digest`` for ``slot``."""

    verb: Verb
    slot: int
    digest: bytes

    def __post_init__(self) -> None:
        _check_name(self.slot, self.digest)

    def pack(self) -> bytes:
        return bytes([_NOTICE, self.verb, self.slot]) + self.digest


@dataclass(frozen=True)
class Bye:
    """The sender hangs up."""

    def pack(self) -> bytes:
        return bytes([_BYE])


@dataclass(frozen=True)
class SafetyCommitment:
    """The hash of the sender's random number for the safety code (:mod:`codec.safety_code`)."""

    digest: bytes

    def __post_init__(self) -> None:
        _check_safety(self.digest)

    def pack(self) -> bytes:
        return bytes([_COMMITMENT]) + self.digest


@dataclass(frozen=True)
class SafetyNumber:
    """The random number itself."""

    number: bytes

    def __post_init__(self) -> None:
        _check_safety(self.number)

    def pack(self) -> bytes:
        return bytes([_NUMBER]) + self.number


Message = Hello | KeyframeChunk | KeyframeNotice | Bye | SafetyCommitment | SafetyNumber


def _check_safety(data: bytes) -> None:
    if len(data) != NONCE:
        raise SyntaxLimitError(f"{len(data)} bytes for the safety code, not {NONCE}")


def _check_name(slot: int, digest: bytes) -> None:
    if not 0 <= slot < SLOTS or len(digest) != HASH:
        raise SyntaxLimitError(f"slot {slot} with a digest of {len(digest)} bytes does not name a keyframe")


def parse_message(data: bytes) -> Message | None:
    """One message; None for a type that is not known. Raises :class:`TruncatedError` or
    :class:`SyntaxLimitError`."""
    reader = Reader(data)
    kind = reader.number(1)
    message: Message
    if kind == _HELLO:
        return _parse_hello(reader.take(reader.left))
    if kind == _CHUNK:
        slot, digest, total, offset = reader.number(1), reader.take(HASH), reader.number(4), reader.number(4)
        return KeyframeChunk(slot, digest, total, offset, reader.take(reader.left))
    if kind == _NOTICE:
        verb, slot = reader.number(1), reader.number(1)
        if verb > max(Verb):
            raise SyntaxLimitError(f"keyframe notice {verb} is not known")
        message = KeyframeNotice(Verb(verb), slot, reader.take(HASH))
    elif kind == _BYE:
        message = Bye()
    elif kind in (_COMMITMENT, _NUMBER):
        data = reader.take(NONCE)
        message = SafetyCommitment(data) if kind == _COMMITMENT else SafetyNumber(data)
    else:
        return None
    if reader.left:
        raise SyntaxLimitError(f"{reader.left} bytes left over after the message")
    return message


def _parse_hello(data: bytes) -> Hello:
    if len(data) > MAX_HELLO:
        raise SyntaxLimitError(f"hello of {len(data)} bytes is over {MAX_HELLO}")
    try:
        fields = json.loads(data.decode(), parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SyntaxLimitError(f"hello is not JSON: {type(error).__name__}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("rungs"), list):
        raise SyntaxLimitError("hello is not an object with rungs")
    pairs = fields.get("pairs") is True
    return Hello(fields.get("version", 0), fields.get("size", 0), tuple(fields["rungs"]), fields.get("model", ""), pairs)


def _number(text: str) -> int | float:
    """4.0 is the integer 4, as in JavaScript."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class KeyframeAssembler:
    """Assembles one keyframe at a time from its chunks, which arrive in order. Holds at most 64 KiB."""

    def __init__(self) -> None:
        self._first: KeyframeChunk | None = None
        self._data = bytearray()

    def add(self, chunk: KeyframeChunk) -> tuple[int, Keyframe] | None:
        """Add a chunk; returns (slot, keyframe) once the keyframe is complete. A chunk at offset 0 starts from scratch.

        Raises :class:`KeyframeError` for a chunk that does not follow the one before, a wrong
        digest or a bad keyframe, and drops what was collected.
        """
        if chunk.offset == 0:
            self._first, self._data = chunk, bytearray()
        first, self._first = self._first, None  # put back below; any error leaves the assembler empty
        if first is None or chunk.offset != len(self._data):
            raise KeyframeError(f"keyframe chunk at {chunk.offset} does not follow the one before")
        if (first.slot, first.digest, first.total) != (chunk.slot, chunk.digest, chunk.total):
            raise KeyframeError("keyframe chunk belongs to another keyframe")
        self._data += chunk.data
        if len(self._data) < chunk.total:
            self._first = first
            return None
        data, self._data = bytes(self._data), bytearray()
        if hashlib.sha256(data).digest()[:HASH] != chunk.digest:
            raise KeyframeError("keyframe does not match its digest")
        return chunk.slot, parse_keyframe(data)
