"""A call's sound for listeners on the page: each tick's sound in one piece, when it is due."""

import asyncio
from collections.abc import AsyncIterator

from codec.media.types import Float32

WAITING = 8
"""Ticks kept for a listener that doesn't take them; beyond that the oldest are dropped."""


class AudioBroadcast:
    """Passes what is played to any number of listeners; one that joins later gets what is played from then on."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Float32 | None]] = set()
        self._over = False

    def play(self, samples: Float32) -> None:
        """Mono samples (N,), 16 kHz, to be heard from now on."""
        self._tell(samples)

    def _tell(self, samples: Float32 | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(samples)

    async def listen(self) -> AsyncIterator[Float32]:
        """What is played from now on, until :meth:`stop`."""
        if self._over:
            return
        queue: asyncio.Queue[Float32 | None] = asyncio.Queue(WAITING)
        self._queues.add(queue)
        try:
            while (samples := await queue.get()) is not None:
                yield samples
        finally:
            self._queues.discard(queue)

    def stop(self) -> None:
        """Nothing more is played: every :meth:`listen` ends."""
        self._over = True
        self._tell(None)
