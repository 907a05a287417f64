"""Waiting for events of a signaling client."""

import asyncio

from tests.waiting import PATIENCE


async def heard(client, kind):
    """The next event of this kind; earlier events of other kinds are dropped."""
    async with asyncio.timeout(PATIENCE):
        while not isinstance(event := await client.receive(), kind):
            pass
        return event
