"""A signaling server for the end-to-end tests."""

from collections.abc import AsyncIterator

import pytest

from bench.demo import serve
from signaling.rooms.server import create_app


@pytest.fixture
async def server() -> AsyncIterator[str]:
    runner, url = await serve(create_app())
    yield url
    await runner.cleanup()
