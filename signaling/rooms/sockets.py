"""A peer's WebSocket, which may die or stop reading at any time."""

import asyncio
import logging
from collections.abc import Awaitable

from aiohttp import WSCloseCode, web

from signaling.protocol import MAX_MESSAGE, ErrorMessage, Message, SignalingError

log = logging.getLogger(__name__)

SEND_TIMEOUT = 5.0
"""Seconds that one send may take: a peer that does not read must not delay the one that sends to it."""


class Socket(web.WebSocketResponse):
    """A socket that sends an error before it closes because of an oversized message (aiohttp closes
    without one)."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed:
            await send(self, ErrorMessage(code="too_large", message=f"a message may have {MAX_MESSAGE} bytes at most"))
        return await super().close(code=code, message=message, drain=drain)


async def send(socket: web.WebSocketResponse, message: Message) -> bool:
    """Send a message; False if the peer is gone or does not read."""
    return await quietly(asyncio.wait_for(socket.send_str(message.model_dump_json()), SEND_TIMEOUT))


async def refuse(socket: web.WebSocketResponse, error: SignalingError) -> None:
    """Send the error and close."""
    log.info("signaling socket closed: %s", error, extra={"event": "refused", "code": error.code})
    await send(socket, ErrorMessage(code=error.code, message=str(error)))
    code = WSCloseCode.GOING_AWAY if error.code == "shutdown" else WSCloseCode.POLICY_VIOLATION
    await quietly(socket.close(code=code, message=error.code.encode()))


async def quietly(action: Awaitable[object]) -> bool:
    """Await an operation on a socket that may be dead; False if it fails for that reason."""
    try:
        await action
    except (ConnectionError, TimeoutError, RuntimeError, OSError):
        return False
    except asyncio.CancelledError:
        # If nobody cancelled this task, aiohttp awaited something that an earlier timeout had cancelled.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return False
    return True
