"""Who sits in which room. No sockets are read here: a seat's ``socket`` is only carried along."""

import hashlib
import secrets
from dataclasses import dataclass

from aiohttp import web

from signaling.messages import SignalingError

SEATS = 2


@dataclass(eq=False)
class Seat:
    """One peer in a room."""

    socket: web.WebSocketResponse
    token: str

    @property
    def label(self) -> str:
        """Names this peer to the other without giving its token away; the same again after it has come back."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]


class Rooms:
    """Rooms for two, made by the first who enters and dropped with the last who leaves."""

    def __init__(self, limit: int) -> None:
        """``limit``: how many rooms may be open at once."""
        self._rooms: dict[str, list[Seat]] = {}
        self._limit = limit

    def enter(self, name: str, token: str | None, socket: web.WebSocketResponse) -> tuple[Seat, web.WebSocketResponse | None]:
        """Take a place; with the token of a peer that is there, that peer's place and order.

        Returns:
            The seat, and the socket that it was taken from, for the caller to close.

        Raises:
            SignalingError: ``room_full`` or ``server_full``.
        """
        seats = self._rooms.get(name, [])
        for index, seat in enumerate(seats):
            if token is not None and secrets.compare_digest(seat.token, token):
                seats[index] = Seat(socket, token)
                return seats[index], seat.socket
        if len(seats) >= SEATS:
            raise SignalingError("room_full", "two peers are in this room already")
        if not seats and len(self._rooms) >= self._limit:
            raise SignalingError("server_full", "this server has no room left, try again later")
        seat = Seat(socket, token or secrets.token_hex(16))
        self._rooms.setdefault(name, []).append(seat)
        return seat, None

    def leave(self, name: str, seat: Seat) -> bool:
        """Free a place; False where another socket holds it by now."""
        seats = self._rooms.get(name, [])
        if seat not in seats:
            return False
        seats.remove(seat)
        if not seats:
            del self._rooms[name]
        return True

    def other(self, name: str, seat: Seat) -> Seat | None:
        """The peer on the other side, None while it is away."""
        return next((one for one in self._rooms.get(name, []) if one is not seat), None)

    def first(self, name: str, seat: Seat) -> bool:
        """Whether this peer has been in the room for longer than the other: it makes the offer."""
        return self._rooms[name][0] is seat

    def count(self, name: str) -> int:
        """Peers in this room: 0, 1 or 2."""
        return len(self._rooms.get(name, []))

    def totals(self) -> tuple[int, int]:
        """Open rooms, and the peers in all of them."""
        return len(self._rooms), sum(map(len, self._rooms.values()))
