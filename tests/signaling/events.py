"""Waiting for what a signaling client is told."""

import asyncio

from tests.waiting import PATIENCE


async def heard(client, kind):
    """The next event of this kind; those before it are dropped."""
    async with asyncio.timeout(PATIENCE):
        while not isinstance(event := await client.receive(), kind):
            pass
        return event
