"""A queue of messages to one peer, so that a peer that reads slowly delays nobody else."""

import asyncio
from collections import deque

from signaling.protocol import Message, SignalingError
from signaling.rooms.rooms import Deliver

WAITING_MOST = 200
"""Messages that may wait for a peer; a call takes about five in all."""


class Outbox:
    """Delivers in order, in the background."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: deque[Message | SignalingError] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, item: Message | SignalingError) -> None:
        """Deliver this after all before it. Dropped if too much waits: that peer is about to be closed."""
        if len(self._waiting) >= WAITING_MOST:
            return
        self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            if not await self._deliver(self._waiting.popleft()):
                self._waiting.clear()  # the peer is gone

    def close(self) -> None:
        """Deliver nothing more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
