"""Who sits in which room, and how one peer's message reaches the other. A seat knows no socket, but
a way to deliver."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from signaling.protocol import Message, SignalingError

SEATS = 2

Deliver = Callable[[Message | SignalingError], Awaitable[bool]]
"""Hand a message to a peer, or tell it why its socket closes now; False where the peer is gone."""

REPLACED = "this peer has joined again from another connection"


@dataclass(eq=False)
class Seat:
    """One peer in a room. ``connection`` names this very connection; ``label`` the peer."""

    token: str
    deliver: Deliver = field(repr=False)
    connection: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def label(self) -> str:
        """Names this peer to the other without giving its token away; the same again after it has come back."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sight:
    """What a peer sees of its room: the other's label, None while that one is away; and whether it
    came first, and so offers."""

    other: str | None
    first: bool


class Rooms(Protocol):
    """Rooms for two, made by the first who enters and dropped with the last who leaves.

    All may raise ``SignalingError`` (``unavailable``) where the rooms are kept elsewhere.
    """

    async def open(self) -> None:
        """Before anything else, inside the event loop."""

    async def enter(self, name: str, token: str | None, deliver: Deliver) -> Seat:
        """Take a place; with the token of a peer that is there, that peer's place and order: its
        connection is told ``replaced``.

        Raises ``SignalingError``: ``room_full`` or ``server_full``."""

    async def leave(self, name: str, seat: Seat) -> bool:
        """Free a place; False where another connection holds it by now."""

    async def look(self, name: str, seat: Seat) -> Sight:
        """What the peer in this seat sees."""

    async def send(self, name: str, seat: Seat, message: Message) -> bool:
        """Hand a message to the other peer; False while it is away."""

    async def count(self, name: str) -> int:
        """Peers in this room: 0, 1 or 2."""

    def totals(self) -> tuple[int, int]:
        """Rooms and peers that this server has."""

    async def ready(self) -> bool:
        """Whether places can be taken now."""

    async def close(self) -> None:
        """Let go of what is held."""


class MemoryRooms:
    """The rooms of a server that is alone."""

    def __init__(self, limit: int) -> None:
        """``limit``: how many rooms may be open at once."""
        self._rooms: dict[str, list[Seat]] = {}
        self._limit = limit

    async def open(self) -> None:
        pass

    async def enter(self, name: str, token: str | None, deliver: Deliver) -> Seat:
        seats = self._rooms.get(name, [])
        for index, seat in enumerate(seats):
            if token is not None and secrets.compare_digest(seat.token, token):
                seats[index] = Seat(token, deliver)
                await seat.deliver(SignalingError("replaced", REPLACED))
                return seats[index]
        if len(seats) >= SEATS:
            raise SignalingError("room_full", "two peers are in this room already")
        if not seats and len(self._rooms) >= self._limit:
            raise SignalingError("server_full", "this server has no room left, try again later")
        seat = Seat(token or secrets.token_hex(16), deliver)
        self._rooms.setdefault(name, []).append(seat)
        return seat

    async def leave(self, name: str, seat: Seat) -> bool:
        seats = self._rooms.get(name, [])
        if seat not in seats:
            return False
        seats.remove(seat)
        if not seats:
            del self._rooms[name]
        return True

    def _other(self, name: str, seat: Seat) -> Seat | None:
        return next((one for one in self._rooms.get(name, []) if one is not seat), None)

    async def look(self, name: str, seat: Seat) -> Sight:
        other, seats = self._other(name, seat), self._rooms.get(name, [])
        return Sight(other.label if other else None, bool(seats) and seats[0] is seat)

    async def send(self, name: str, seat: Seat, message: Message) -> bool:
        other = self._other(name, seat)
        return other is not None and await other.deliver(message)

    async def count(self, name: str) -> int:
        return len(self._rooms.get(name, []))

    def totals(self) -> tuple[int, int]:
        return len(self._rooms), sum(map(len, self._rooms.values()))

    async def ready(self) -> bool:
        return True

    async def close(self) -> None:
        pass
