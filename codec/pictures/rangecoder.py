"""Binary range coder in integers: the arithmetic of LZMA's coder, with a probability given for every
bit.

The encoder emits whole bytes. It drops the first byte, which is always zero, and the trailing bytes
that the decoder can supply as zeros, so that a nearly empty picture costs one or two bytes. Only
32-bit unsigned arithmetic is needed, so it can be reimplemented in any language. Carry handling
after Schindler / Pavlov (LZMA SDK).
"""

from typing import Protocol

TOP = 1 << 24
MASK = 0xFFFFFFFF
BITS = 15
"""A probability is that of a 0, in units of 2^-15: 1 to 32767."""


class Coder(Protocol):
    """What the syntax needs from both encoder and decoder."""

    def code(self, zero: int, bit: int) -> int: ...

    def code_equal(self, value: int, count: int) -> int: ...


class Encoder:
    """Bits in, bytes out."""

    def __init__(self) -> None:
        self._low, self._span = 0, MASK
        self._cache, self._pending = 0, 0
        self._first = True
        self._out = bytearray()

    def _shift(self) -> None:
        if self._low < 0xFF000000 or self._low > MASK:
            carry = self._low >> 32
            if not self._first:
                self._out.append((self._cache + carry) & 0xFF)
            self._first = False
            if self._pending:
                self._out.extend(bytes([(0xFF + carry) & 0xFF]) * self._pending)
                self._pending = 0
            self._cache = (self._low >> 24) & 0xFF
        else:
            self._pending += 1
        self._low = (self._low & 0x00FFFFFF) << 8

    def code(self, zero: int, bit: int) -> int:
        """Write ``bit``, which is 0 with probability ``zero``; returns it, so that encoder and decoder
        can run the same syntax code."""
        bound = (self._span >> BITS) * zero
        if bit:
            self._low += bound
            self._span -= bound
        else:
            self._span = bound
        while self._span < TOP:
            self._span = (self._span << 8) & MASK
            self._shift()
        return bit

    def code_equal(self, value: int, count: int) -> int:
        """``count`` bits of ``value``, most significant first, each as likely 0 as 1; returns ``value``."""
        for i in range(count - 1, -1, -1):
            self._span >>= 1
            if (value >> i) & 1:
                self._low += self._span
            while self._span < TOP:
                self._span = (self._span << 8) & MASK
                self._shift()
        return value

    def finish(self) -> bytes:
        """The fewest bytes from which the decoder reads the same bits when zeros follow."""
        high = self._low + self._span - 1
        for zeros in (32, 24, 16, 8, 0):
            value = (high >> zeros) << zeros
            if value >= self._low:
                self._low = value
                break
        for _ in range(5):
            self._shift()
        return bytes(self._out).rstrip(b"\0")


class Decoder:
    """Bytes in, bits out; zeros are read past the end, so no input is too short to decode."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 4
        self._span = MASK
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def _shift(self) -> None:
        at = self._at
        byte = self._data[at] if at < len(self._data) else 0
        self._at = at + 1
        self._code = ((self._code << 8) | byte) & MASK
        self._span = (self._span << 8) & MASK

    def code(self, zero: int, bit: int = 0) -> int:
        """The next bit; the argument ``bit`` is ignored."""
        bound = (self._span >> BITS) * zero
        if self._code < bound:
            self._span, bit = bound, 0
        else:
            self._code -= bound
            self._span -= bound
            bit = 1
        while self._span < TOP:
            self._shift()
        return bit

    def code_equal(self, value: int, count: int) -> int:
        """The next ``count`` equally likely bits; the argument ``value`` is ignored."""
        value = 0
        for _ in range(count):
            self._span >>= 1
            bit = int(self._code >= self._span)
            if bit:
                self._code -= self._span
            value = (value << 1) | bit
            while self._span < TOP:
                self._shift()
        return value
