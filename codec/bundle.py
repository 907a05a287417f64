"""The bundle: everything of one tick in one data-channel message. See docs/format.md for the bytes."""

from dataclasses import dataclass
from enum import IntEnum

from codec.errors import SyntaxLimitError
from codec.wirebytes import Reader, pack_length, unsigned

TICK_MODES = (200, 100, 60)
"""Length of a tick in milliseconds, by the number in the flags."""
TIME_UNIT = 20
"""Milliseconds in a unit of the capture time field, which wraps at 65536 units (about 22 minutes)."""
MAX_PACKETS = 20
MAX_BUNDLE = 16_384

_PICTURE = 1
_SOUND = 2
_REPORT = 4
_REDUNDANT = 8
_STATUS = 16
_TICK_MODE_AT = 5
_SHAPE = 128
# Bits of the status byte.
_FACE = 15
_MUTED = 16
_PAUSING = 32


class Face(IntEnum):
    """What the sender's tracker sees; TRACKED is the usual case and costs nothing on the wire.
    LEAVING: the face is partly outside the camera's picture. AWAY: the person has left for a
    while, with camera and microphone off."""

    TRACKED = 0
    NONE = 1
    MANY = 2
    LEAVING = 3
    CAMERA_OFF = 4
    AWAY = 5


NO_CAMERA = (Face.CAMERA_OFF, Face.AWAY)


@dataclass(frozen=True)
class Report:
    """What the sender of this bundle has received: the bundle number of the newest picture, and the
    share of bundles lost (0..255, where 255 means all)."""

    newest: int
    loss: int = 0


@dataclass(frozen=True)
class Bundle:
    """One tick.

    ``number`` counts bundles modulo 2^16 and names the picture. ``time`` is the capture time of the
    tick's first sound sample, in units of 20 ms modulo 2^16; the picture is taken at the tick's
    end. ``sound`` and ``redundant`` are Opus packets (RFC 6716) of this and of the previous tick.
    ``pausing``: nobody speaks; the sender may omit the next tick's bundle. ``picture`` then belongs
    to the end of that omitted tick, and this tick ends halfway between the previous picture and this one.
    ``shape``: positions of the face's points (:mod:`codec.shape`), only together with a picture, whose header it
    depends on.
    """

    number: int
    time: int
    tick_mode: int = 0
    picture: bytes | None = None
    sound: tuple[bytes, ...] = ()
    report: Report | None = None
    redundant: tuple[bytes, ...] = ()
    face: Face = Face.TRACKED
    muted: bool = False
    pausing: bool = False
    shape: bytes | None = None

    @property
    def tick_ms(self) -> int:
        return TICK_MODES[self.tick_mode]

    @property
    def only_reports(self) -> bool:
        """Whether it holds nothing to play; its number and time are then meaningless."""
        return self.picture is None and not (self.sound or self.pausing or self.face in NO_CAMERA)

    def pack(self) -> bytes:
        """Raises :class:`SyntaxLimitError` when a field does not fit."""
        if not 0 <= self.tick_mode < len(TICK_MODES):
            raise SyntaxLimitError(f"tick_mode {self.tick_mode} is not known")
        status = int(self.face) | (_MUTED if self.muted else 0) | (_PAUSING if self.pausing else 0)
        flags = self.tick_mode << _TICK_MODE_AT
        parts = [unsigned(self.number, 2, "bundle number"), unsigned(self.time, 2, "capture time")]
        if self.report:
            flags |= _REPORT
            parts.append(unsigned(self.report.newest, 2, "newest picture") + unsigned(self.report.loss, 1, "share lost"))
        if status:
            flags |= _STATUS
            parts.append(bytes([status]))
        if self.picture is not None:
            flags |= _PICTURE
            parts.append(pack_length(len(self.picture)) + self.picture)
        if self.shape is not None:
            if self.picture is None:
                raise SyntaxLimitError("a shape needs a picture in the same bundle")
            flags |= _SHAPE
            parts.append(pack_length(len(self.shape)) + self.shape)
        for bit, packets in ((_SOUND, self.sound), (_REDUNDANT, self.redundant)):
            if packets:
                flags |= bit
                parts.append(_pack_packets(packets))
        data = bytes([flags]) + b"".join(parts)
        if len(data) > MAX_BUNDLE:
            raise SyntaxLimitError(f"bundle of {len(data)} bytes is over {MAX_BUNDLE}")
        return data

    @classmethod
    def parse(cls, data: bytes) -> "Bundle":
        """Raises :class:`TruncatedError` or :class:`SyntaxLimitError`; nothing is allocated beyond
        the input's length."""
        if len(data) > MAX_BUNDLE:
            raise SyntaxLimitError(f"bundle of {len(data)} bytes is over {MAX_BUNDLE}")
        reader = Reader(data)
        flags = reader.number(1)
        tick_mode = (flags >> _TICK_MODE_AT) & 3
        if tick_mode >= len(TICK_MODES) or (flags & _SHAPE and not flags & _PICTURE):
            raise SyntaxLimitError(f"bundle flags {flags:#04x} are not known")
        number, time = reader.number(2), reader.number(2)
        report = Report(reader.number(2), reader.number(1)) if flags & _REPORT else None
        status = reader.number(1) if flags & _STATUS else 0
        if status & ~(_FACE | _MUTED | _PAUSING) or (status & _FACE) > max(Face):
            raise SyntaxLimitError(f"bundle status {status:#04x} is not known")
        picture = reader.take(reader.length()) if flags & _PICTURE else None
        shape = reader.take(reader.length()) if flags & _SHAPE else None
        sound = _parse_packets(reader) if flags & _SOUND else ()
        redundant = _parse_packets(reader) if flags & _REDUNDANT else ()
        if reader.left:
            raise SyntaxLimitError(f"{reader.left} bytes left over after the bundle")
        return cls(
            number,
            time,
            tick_mode,
            picture,
            sound,
            report,
            redundant,
            Face(status & _FACE),
            bool(status & _MUTED),
            bool(status & _PAUSING),
            shape,
        )


def _pack_packets(packets: tuple[bytes, ...]) -> bytes:
    if len(packets) > MAX_PACKETS:
        raise SyntaxLimitError(f"{len(packets)} Opus packets are over {MAX_PACKETS}")
    return bytes([len(packets)]) + b"".join(pack_length(len(p)) + p for p in packets)


def _parse_packets(reader: Reader) -> tuple[bytes, ...]:
    count = reader.number(1)
    if not 0 < count <= MAX_PACKETS:
        raise SyntaxLimitError(f"{count} Opus packets in a bundle")
    return tuple(reader.take(reader.length()) for _ in range(count))
