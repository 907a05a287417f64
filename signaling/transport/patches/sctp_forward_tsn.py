"""Sends FORWARD TSN chunks together with data, and each one once a round trip.

A lost bundle is not sent again: a FORWARD TSN chunk (RFC 3758) tells the peer to stop waiting for it. aiortc sends one,
in a packet of its own, for every SACK that does not confirm the last one. On a link with a full queue a round trip takes
over a second, so a single loss caused ten and more such packets, each with a SACK in answer: as many bytes as a second
of the call. They filled the queue further, and more was lost. The notes in section 3.5 of the RFC allow waiting a full
round trip before a duplicate, and delaying the first one by up to 200 ms.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc.rtcsctptransport import SCTP_RTO_MIN, uint32_gt

WAIT = 0.2
"""Seconds that a FORWARD TSN waits for data to travel with (RFC 3758, section 3.5): a tick."""
AGAIN_MAX = 2.0
"""Seconds after which the same FORWARD TSN may be sent again, however long the round trip."""


class ForwardTsn:
    """Holds one association's newest FORWARD TSN until it can be sent."""

    def __init__(self, sctp: Any, due: Callable[[], object]) -> None:
        """``due`` is called when the chunk has waited long enough; it should send what :meth:`take` returns."""
        self._sctp, self._due_now = sctp, due
        self._held: Any = None
        self._newest: int | None = None  # TSN of the newest chunk
        self._sent_at: float | None = None  # when it was sent last
        self._timer: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """Bytes of the chunk that waits; 0 if there is none, or the peer has confirmed it."""
        return len(bytes(self._held)) if self._needed else 0

    @property
    def _needed(self) -> bool:
        return bool(self._held) and uint32_gt(self._held.cumulative_tsn, self._sctp._last_sacked_tsn)

    def hold(self, chunk: Any) -> None:
        """Keep a chunk in place of the one that waits; it is dropped if it was sent less than a round trip ago."""
        loop = asyncio.get_running_loop()
        if chunk.cumulative_tsn != self._newest:
            self._newest, self._sent_at = chunk.cumulative_tsn, None
            # What SCTP's timer ran for has just been given up. It must not expire before the answer to this chunk.
            self._sctp._t3_restart()
        elif self._sent_at is not None and loop.time() - self._sent_at < self._round_trip():
            return
        self._held = chunk
        if self._timer is None:
            self._timer = loop.call_later(WAIT, self._due)

    def take(self) -> Any:
        """The chunk that waits, which the caller sends now; None if there is none, or the peer has confirmed it."""
        chunk = self._held if self._needed else None
        self._held = None
        self.end()
        if chunk:
            self._sent_at = asyncio.get_running_loop().time()
        return chunk

    def end(self) -> None:
        """Stop waiting."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _round_trip(self) -> float:
        return min(max(WAIT, self._sctp._srtt or SCTP_RTO_MIN), AGAIN_MAX)

    def _due(self) -> None:
        self._timer = None
        self._due_now()
