"""A bounds-checked reader for untrusted bytes, and the variable-length number of Opus (RFC 6716 section 3.2.1)."""

from codec.errors import SyntaxLimitError, TruncatedError

MAX_LENGTH = 1275
"""The largest length that two bytes of the variable-length number can express: 255 + 4 × 255."""


class Reader:
    """Reads fields from the front of ``data``; raises :class:`TruncatedError` instead of returning short ones."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise TruncatedError(f"{count} bytes wanted at byte {self.at}, {self.left} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """An unsigned big-endian number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """One byte below 252, else two: first + 4 × second (0..1275)."""
        first = self.number(1)
        return first if first < 252 else first + 4 * self.number(1)


def pack_length(value: int) -> bytes:
    """Inverse of :meth:`Reader.length`; raises :class:`SyntaxLimitError` outside 0..1275."""
    if not 0 <= value <= MAX_LENGTH:
        raise SyntaxLimitError(f"length {value} is outside 0..{MAX_LENGTH}")
    if value < 252:
        return bytes([value])
    return bytes([252 + (value & 3), (value - 252) >> 2])


def unsigned(value: int, size: int, name: str) -> bytes:
    """``value`` as ``size`` bytes, big-endian; raises :class:`SyntaxLimitError` naming the field
    when it does not fit."""
    if not 0 <= value < 1 << 8 * size:
        raise SyntaxLimitError(f"{name} {value} does not fit in {size} byte{'s' if size > 1 else ''}")
    return value.to_bytes(size, "big")
