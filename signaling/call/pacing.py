"""Sends a later keyframe in small pieces, each together with a bundle, as fast as the cap of the wire rate allows."""

from codec.control import KeyframeChunk
from codec.keyframe import Keyframe

PIECE_MIN = 96
"""Bytes of a piece, at least: smaller ones cost too much in headers."""
PIECE_MAX = 400
"""Bytes of a piece, at most: larger ones would hold up the sound behind them."""
OVERHEAD = 48
"""Bytes that a piece costs in addition to its data: the message's fields (18), SCTP's chunk (16),
padding, and its share of a SACK."""
DEPTH = 1.0
"""Most unused budget that is saved up, as seconds at the cap."""
OWED = 8.0
"""Most budget that may be owed, as seconds at the cap: the first keyframe, which is sent at once, is
paid back before another is sent."""
HEADROOM = 1.25
"""The cap is this many times the rate that the network is known to carry. If that is too much, a growing queue shows it soon."""


class Pacer:
    """A token bucket of bytes: the cap fills it, and everything sent empties it."""

    def __init__(self, limit_kbps: float) -> None:
        """``limit_kbps``: cap of the wire rate, in kbit/s."""
        self._rate = self._most = limit_kbps * 125.0
        self._room, self._at, self._sent = 0.0, 0.0, 0

    def carried(self, kbps: float) -> None:
        """The network is known to carry about ``kbps``: the cap becomes :data:`HEADROOM` times that,
        at most ``limit_kbps``."""
        self._rate = min(self._most, kbps * 125.0 * HEADROOM)

    def room(self, sent: int, now: float) -> int:
        """Bytes that may be sent in addition to what is sent anyway. ``sent``: bytes on the wire so
        far; ``now``: seconds."""
        first = not self._at
        gained = 0.0 if first else (now - self._at) * self._rate - (sent - self._sent)
        self._room = min(DEPTH * self._rate, max(-OWED * self._rate, self._room + gained))
        self._at, self._sent = now, sent
        return int(self._room)


class KeyframePieces:
    """One keyframe that is being sent."""

    def __init__(self, slot: int, keyframe: Keyframe) -> None:
        self.slot, self._keyframe, self._offset = slot, keyframe, 0

    @property
    def done(self) -> bool:
        return self._offset >= len(self._keyframe.data)

    def restart(self) -> None:
        """Begin again with the first byte."""
        self._offset = 0

    def next(self, room: int) -> KeyframeChunk | None:
        """The next piece that takes at most ``room`` bytes on the wire, or None if that is too little."""
        left = len(self._keyframe.data) - self._offset
        size = min(left, PIECE_MAX, room - OVERHEAD)
        if size < min(left, PIECE_MIN) or not left:
            return None
        return self.take(size)

    def take(self, size: int) -> KeyframeChunk:
        """The next ``size`` bytes of it, or what is left."""
        data = self._keyframe.data[self._offset : self._offset + size]
        chunk = KeyframeChunk(self.slot, self._keyframe.digest, len(self._keyframe.data), self._offset, data)
        self._offset += len(data)
        return chunk
