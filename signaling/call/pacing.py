"""A later keyframe in small pieces, each sent beside a bundle, as fast as the wire rate's cap leaves room."""

from codec.control import KeyframeChunk
from codec.keyframe import Keyframe

PIECE_MIN = 96
"""Bytes of a piece, at least: smaller ones cost too much in headers."""
PIECE_MAX = 400
"""Bytes of a piece, at most: larger ones would hold up the sound behind them."""
OVERHEAD = 48
"""Bytes that a piece costs beside its own: the message's fields (18), SCTP's chunk (16), padding,
and its share of a SACK."""
DEPTH = 1.0
"""Seconds of the cap that may be saved up."""
OWED = 8.0
"""Seconds of the cap that may be owed: the first keyframe, which goes at once, is paid back before
another goes."""
HEADROOM = 1.25
"""The cap is so many times the rate that the network is known to carry. If that is too much, a growing queue shows it soon."""


class Pacer:
    """A bucket of bytes that the cap fills and that everything sent empties, whatever it was."""

    def __init__(self, limit_kbps: float) -> None:
        """``limit_kbps``: cap of the wire rate, in kbit/s."""
        self._rate = self._most = limit_kbps * 125.0
        self._room, self._at, self._sent = 0.0, 0.0, 0

    def carried(self, kbps: float) -> None:
        """The network carries about ``kbps``, as far as is known: :data:`HEADROOM` times it is the
        cap, where that is below it."""
        self._rate = min(self._most, kbps * 125.0 * HEADROOM)

    def room(self, sent: int, now: float) -> int:
        """Bytes that may go out beside what goes out anyway. ``sent``: bytes on the wire so far;
        ``now``: seconds."""
        first = not self._at
        gained = 0.0 if first else (now - self._at) * self._rate - (sent - self._sent)
        self._room = min(DEPTH * self._rate, max(-OWED * self._rate, self._room + gained))
        self._at, self._sent = now, sent
        return int(self._room)


class KeyframePieces:
    """One keyframe on its way."""

    def __init__(self, slot: int, keyframe: Keyframe) -> None:
        self.slot, self._keyframe, self._offset = slot, keyframe, 0

    @property
    def done(self) -> bool:
        return self._offset >= len(self._keyframe.data)

    def restart(self) -> None:
        """Begin anew."""
        self._offset = 0

    def next(self, room: int) -> KeyframeChunk | None:
        """The next piece that takes at most ``room`` bytes on the wire, or None where that is too little."""
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
