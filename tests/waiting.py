"""Waiting for an event instead of a time: limits that only end a hang, and that say what was waited for."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

PATIENCE = 240.0
"""Seconds after which what was waited for will never come, on however busy a machine."""


def _words(condition: Callable[[], Any]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)


async def until(condition: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.02) -> Any:
    """What ``condition`` gives once that is true, looked at ``every`` so many seconds. It may be a
    coroutine function."""
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
    """Tasks of it, which are over in the end, whatever happens."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """As :func:`until`, where there is no event loop."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {_words(condition)}"
        time.sleep(0.02)
    return found
