"""An event loop whose clock jumps to the next timer: counts, orders and times are exact on any
machine, and take no time.

A test asks for it with ``pytest.mark.virtual_time``. Nothing may wait for a socket or a thread in it.
"""

import asyncio
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 1000 s."""

    _now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        base: Any = super()  # the names below are the base class's own
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        base._run_once()
