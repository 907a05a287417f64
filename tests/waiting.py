"""Waiting for an event instead of a time: limits that only end a hang, and that say what was waited for."""

import asyncio
import inspect
import time
from collections.abc import Callable
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


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """As :func:`until`, where there is no event loop."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {_words(condition)}"
        time.sleep(0.02)
    return found
