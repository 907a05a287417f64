"""What all tests share: an event loop with a clock of its own for those that ask for it."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of a test: the usual one, but for tests marked ``virtual_time``."""
    return {"virtual": VirtualLoop} if item.get_closest_marker("virtual_time") else {"usual": asyncio.new_event_loop}
