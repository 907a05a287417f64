"""An event loop whose clock jumps to the next timer: counts, orders and times are exact on any
machine, and waiting takes no real time.

A test requests it with ``pytest.mark.virtual_time``. Such a test must not wait for a socket or a thread.
"""

import asyncio
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 1000 s."""

    _now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        base: Any = super()  # the private names below are defined in the base class
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        base._run_once()
