"""How long a connection waits for STUN and TURN servers before it is offered.

aioice waits for all of their answers, 5 s at most, and aiortc sends no offer before. A server that does not answer then costs
each peer 5 s, together more than one attempt to renew a connection may take (:mod:`signaling.transport.link`). So does an
interface that leads nowhere, such as a container's bridge. When an attempt is given up meanwhile, aioice does not cancel
its requests.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from aioice import ice

LONGEST = 1.5
"""Seconds for STUN's answer: a round trip, or two if one is lost."""
LONGEST_TURN = 4.0
"""Seconds for a TURN server: four round trips over TCP and TLS. A call that needs one has no other path."""
OTHERS = 0.3
"""Seconds that the other interfaces still wait for STUN's answer once one of them has it."""

T = TypeVar("T")


class _Gathering:
    """The requests of one gathering of candidates."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self._limits: set[asyncio.Timeout] = set()

    async def ask(self, question: Awaitable[T], seconds: float) -> T:
        """Wait for a server. Raises ``TimeoutError``, and what aioice raises."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        async with asyncio.timeout(seconds):
            return await question

    async def ask_one_of_many(self, question: Awaitable[T]) -> T:
        """The same, for a request that each interface sends: one answer shortens the wait for the others."""
        async with asyncio.timeout(LONGEST) as limit:
            self._limits.add(limit)
            try:
                found = await self.ask(question, LONGEST)
            finally:
                self._limits.discard(limit)
        soon = asyncio.get_running_loop().time() + OTHERS
        for other in self._limits:
            other.reschedule(min(other.when() or soon, soon))
        return found


_gathering: ContextVar[_Gathering] = ContextVar("gathering")
turn_seconds: ContextVar[float] = ContextVar("turn_seconds", default=LONGEST_TURN)
"""Seconds that connections made in this context wait for a TURN server."""


def shorten_gathering_timeouts() -> None:
    """Set the limits for all connections of this process. Does nothing if aioice has no such functions, or they are set."""
    names = ("server_reflexive_candidate", "relayed_candidate")
    gather = getattr(ice.Connection, "get_component_candidates", None)
    if gather is None or hasattr(gather, "__wrapped__") or not all(hasattr(ice, name) for name in names):
        return
    stun, turn = (getattr(ice, name) for name in names)
    _replace(stun, lambda question: _gathering.get().ask_one_of_many(question))
    _replace(turn, lambda question: _gathering.get().ask(question, turn_seconds.get()))

    @functools.wraps(gather)
    async def gathered(*arguments: Any, **named: Any) -> Any:
        gathering = _Gathering()
        _gathering.set(gathering)  # for the tasks created within; each gathering is a task of its own
        try:
            return await gather(*arguments, **named)
        finally:
            for task in gathering.tasks:
                task.cancel()

    ice.Connection.get_component_candidates = gathered  # type: ignore[method-assign]


def _replace(function: Callable[..., Awaitable[Any]], ask: Callable[[Awaitable[Any]], Awaitable[Any]]) -> None:
    @functools.wraps(function)
    async def asked(*arguments: Any, **named: Any) -> Any:
        return await ask(function(*arguments, **named))

    setattr(ice, function.__name__, asked)
