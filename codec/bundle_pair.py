"""Two bundles in one message of the media channel: saves a packet and its acknowledgement. See docs/format.md for the bytes."""

from codec.bundle import MAX_BUNDLE, TICK_MODES
from codec.errors import SyntaxLimitError
from codec.wirebytes import Reader, unsigned

MARK = len(TICK_MODES) << 5
"""The first byte of a pair: flags with a tick mode that no bundle has."""
OVERHEAD = 3
"""Bytes of a pair in addition to its bundles."""


def join_bundles(first: bytes, second: bytes) -> bytes:
    """One message of two packed bundles. Raises :class:`SyntaxLimitError` when it is longer than ``MAX_BUNDLE`` bytes."""
    message = bytes([MARK]) + unsigned(len(first), 2, "length of a pair's first bundle") + first + second
    if len(message) > MAX_BUNDLE:
        raise SyntaxLimitError(f"pair of {len(message)} bytes is over {MAX_BUNDLE}")
    return message


def split_bundles(message: bytes) -> tuple[bytes, ...]:
    """The bundles of a message, still packed: two of a pair, else the message itself.

    Raises :class:`TruncatedError` and :class:`SyntaxLimitError`. The parts are not checked; parsing them does that.
    """
    if message[:1] != bytes([MARK]):
        return (message,)
    if len(message) > MAX_BUNDLE:
        raise SyntaxLimitError(f"pair of {len(message)} bytes is over {MAX_BUNDLE}")
    reader = Reader(message)
    reader.number(1)
    return reader.take(reader.number(2)), reader.take(reader.left)
