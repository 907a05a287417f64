"""A signaling server for the end-to-end tests."""

from collections.abc import AsyncIterator

import pytest

from signaling.server import create_app
from tests.e2e.processes import start


@pytest.fixture
async def server() -> AsyncIterator[str]:
    runner, url = await start(create_app())
    yield url
    await runner.cleanup()
