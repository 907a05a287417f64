"""Waiting for what a signaling client is told."""

import asyncio


async def heard(client, kind):
    """The next event of this kind; those before it are dropped."""
    async with asyncio.timeout(5):
        while not isinstance(event := await client.receive(), kind):
            pass
        return event
