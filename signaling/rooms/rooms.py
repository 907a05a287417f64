"""Who is in which room, and how one peer's message reaches the other. A member has no socket, only a
function that delivers."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from signaling.protocol import Message, SignalingError
from signaling.rooms.room_limits import ROOM_SIZE

Deliver = Callable[[Message | SignalingError], Awaitable[bool]]
"""Sends a message to a peer, or the error for which its socket is now closed; returns False if the peer is gone."""

REPLACED = "this peer has joined again from another connection"


@dataclass(eq=False)
class Member:
    """One peer in a room. ``connection`` identifies this connection, ``label`` the peer."""

    token: str
    deliver: Deliver = field(repr=False)
    connection: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def label(self) -> str:
        """Identifies this peer to the other without revealing its token; stays the same when the peer comes back."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RoomView:
    """A room as one of its members sees it. ``other``: the other peer's label, None while it is away;
    ``first``: this member came first, so it makes the offer."""

    other: str | None
    first: bool


class Rooms(Protocol):
    """Rooms for two, created by the first peer that enters and removed with the last one that leaves.

    All methods may raise ``SignalingError`` (``unavailable``) if the rooms are kept elsewhere.
    """

    async def open(self) -> None:
        """Call this first, inside the event loop."""

    async def enter(self, name: str, token: str | None, deliver: Deliver) -> Member:
        """Add a member. The token of a present peer takes over its membership and order; its old
        connection gets the error ``replaced``.

        Raises ``SignalingError``: ``room_full`` or ``server_full``."""

    async def leave(self, name: str, member: Member) -> bool:
        """End a membership; False if another connection has taken it over."""

    async def view(self, name: str, member: Member) -> RoomView:
        """The room as this member sees it."""

    async def send(self, name: str, member: Member, message: Message) -> bool:
        """Send a message to the other peer; False while it is away."""

    async def count(self, name: str) -> int:
        """Peers in this room: 0, 1 or 2."""

    def totals(self) -> tuple[int, int]:
        """Rooms and peers that this server has."""

    async def ready(self) -> bool:
        """Whether peers can enter now."""

    async def close(self) -> None:
        """Release all resources."""


class MemoryRooms:
    """The rooms of a single server, in its memory."""

    def __init__(self, limit: int) -> None:
        """``limit``: how many rooms may be open at once."""
        self._rooms: dict[str, list[Member]] = {}
        self._limit = limit

    async def open(self) -> None:
        pass

    async def enter(self, name: str, token: str | None, deliver: Deliver) -> Member:
        members = self._rooms.get(name, [])
        for index, member in enumerate(members):
            if token is not None and secrets.compare_digest(member.token, token):
                members[index] = Member(token, deliver)
                await member.deliver(SignalingError("replaced", REPLACED))
                return members[index]
        if len(members) >= ROOM_SIZE:
            raise SignalingError("room_full", "two peers are in this room already")
        if not members and len(self._rooms) >= self._limit:
            raise SignalingError("server_full", "this server has no room left, try again later")
        member = Member(token or secrets.token_hex(16), deliver)
        self._rooms.setdefault(name, []).append(member)
        return member

    async def leave(self, name: str, member: Member) -> bool:
        members = self._rooms.get(name, [])
        if member not in members:
            return False
        members.remove(member)
        if not members:
            del self._rooms[name]
        return True

    def _other(self, name: str, member: Member) -> Member | None:
        return next((one for one in self._rooms.get(name, []) if one is not member), None)

    async def view(self, name: str, member: Member) -> RoomView:
        other, members = self._other(name, member), self._rooms.get(name, [])
        return RoomView(other.label if other else None, bool(members) and members[0] is member)

    async def send(self, name: str, member: Member, message: Message) -> bool:
        other = self._other(name, member)
        return other is not None and await other.deliver(message)

    async def count(self, name: str) -> int:
        return len(self._rooms.get(name, []))

    def totals(self) -> tuple[int, int]:
        return len(self._rooms), sum(map(len, self._rooms.values()))

    async def ready(self) -> bool:
        return True

    async def close(self) -> None:
        pass
