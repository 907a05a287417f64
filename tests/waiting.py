"""Waiting for an event instead of for a fixed time. Limits only end a hang; the error shows the condition."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

PATIENCE = 240.0
"""Seconds after which a condition will not become true any more, even on a busy machine."""


def _words(condition: Callable[[], Any]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)


async def until(condition: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.02) -> Any:
    """Wait until ``condition`` returns something true, and return that. It is called every ``every`` seconds
    and may be a coroutine function. Raises ``AssertionError`` after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {_words(condition)}")
        await asyncio.sleep(every)


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run the coroutines as tasks, which are cancelled at the end in any case."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """As :func:`until`, without an event loop."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {_words(condition)}"
        time.sleep(0.02)
    return found
