"""Rooms that several servers share, in Redis: the two peers of a room may be connected to different servers.

A room is a JSON list of members under a key made from the hash of its name. A membership that has
not been renewed for :data:`TTL` seconds is void: its server is gone. Scripts run inside Redis, so
that two servers can't give away the same place. Messages are published on the channel of the server
that has the other peer; they are not stored.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from codec.errors import reason
from signaling.protocol import Message, SignalingError, parse
from signaling.rooms.outbox import Outbox
from signaling.rooms.room_limits import ROOM_SIZE
from signaling.rooms.rooms import REPLACED, Deliver, Member, RoomView

log = logging.getLogger(__name__)

TTL = 45.0
"""Seconds for which a membership is valid after it was renewed."""
SUBSCRIBE_SECONDS = 5.0
"""Seconds that Redis may take to confirm a subscription."""
PAUSE = 1.0
"""Seconds between two attempts to subscribe again."""

_LIVE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local members = {}
for _, s in ipairs(cjson.decode(redis.call('GET', KEYS[1]) or '[]')) do
  if s['until'] > now then members[#members + 1] = s end
end
local function keep()
  if #members == 0 then redis.call('DEL', KEYS[1])
  else redis.call('SET', KEYS[1], cjson.encode(members), 'PX', 2 * tonumber(ARGV[1])) end
end
"""
ENTER = (
    _LIVE
    + """
local label, connection, server, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local mine = {label = label, connection = connection, server = server, ['until'] = now + tonumber(ARGV[1])}
for i, s in ipairs(members) do
  if s.label == label then
    members[i] = mine
    keep()
    return {'again', s.server, s.connection}
  end
end
if #members >= most then return {'full'} end
members[#members + 1] = mine
keep()
return {'new'}
"""
)
LEAVE = (
    _LIVE
    + """
for i, s in ipairs(members) do
  if s.connection == ARGV[2] then
    table.remove(members, i)
    keep()
    return 1
  end
end
return 0
"""
)
RENEW = (
    _LIVE
    + """
for _, s in ipairs(members) do
  if s.connection == ARGV[2] then
    s['until'] = now + tonumber(ARGV[1])
    keep()
    return 1
  end
end
return 0
"""
)
LIST = (
    _LIVE
    + """
local out = {}
for _, s in ipairs(members) do
  out[#out + 1] = s.label
  out[#out + 1] = s.connection
  out[#out + 1] = s.server
end
return out
"""
)


def _key(name: str) -> str:
    return "facewire:room:" + hashlib.sha256(name.encode()).hexdigest()


class RedisRooms:
    """See :class:`signaling.rooms.rooms.Rooms`. Call :meth:`open` first, inside the event loop."""

    def __init__(self, url: str, limit: int, ttl: float = TTL) -> None:
        """``url``: ``redis://[USER:PASSWORD@]HOST[:PORT][/DB]`` or ``rediss://`` (TLS). ``limit``:
        rooms that this server takes part in, at most.

        Raises ``ValueError`` for an invalid URL."""
        self._redis: Redis = Redis.from_url(url, decode_responses=True, socket_timeout=5.0, socket_connect_timeout=5.0)
        self._limit, self._ttl = limit, ttl
        self._server = secrets.token_hex(8)
        self._members: dict[str, tuple[str, Outbox]] = {}  # by connection: the room, and the member's outbox
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing = asyncio.Event()

    async def open(self) -> None:
        """Subscribe to this server's channel and begin to renew its members. Raises
        ``SignalingError`` (``unavailable``)."""
        await self._ask(self._redis.ping())
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._renew())]
        try:
            await asyncio.wait_for(self._hearing.wait(), SUBSCRIBE_SECONDS)
        except TimeoutError:
            raise SignalingError("unavailable", f"Redis confirmed no subscription within {SUBSCRIBE_SECONDS:g} s") from None

    @staticmethod
    async def _ask(request: Any) -> Any:
        try:
            return await request
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis: %s", reason(error))
            raise SignalingError("unavailable", "the server can't reach its rooms at the moment, try again") from None

    def _run(self, script: str, name: str, *arguments: str | int) -> Awaitable[Any]:
        return self._ask(self._redis.eval(script, 1, _key(name), str(round(self._ttl * 1000)), *map(str, arguments)))  # type: ignore[arg-type]

    async def _publish(self, server: str, connection: str, content: dict[str, str]) -> bool:
        text = json.dumps({"to": connection, **content})
        return bool(await self._ask(self._redis.publish("facewire:server:" + server, text)))

    async def enter(self, name: str, token: str | None, deliver: Deliver) -> Member:
        member = Member(token or secrets.token_hex(16), deliver)
        known = any(room == name for room, _ in self._members.values())
        if not known and self.totals()[0] >= self._limit:
            raise SignalingError("server_full", "this server has no room left, try again later")
        self._members[member.connection] = name, Outbox(deliver)  # from now on messages for it may come
        try:
            found = await self._run(ENTER, name, member.label, member.connection, self._server, ROOM_SIZE)
            if found[0] == "full":
                raise SignalingError("room_full", "two peers are in this room already")
            if found[0] == "again":
                await self._publish(found[1], found[2], {"code": "replaced", "error": REPLACED})
        except BaseException:
            self._forget(member)  # a membership that was made expires by itself
            raise
        return member

    def _forget(self, member: Member) -> None:
        if found := self._members.pop(member.connection, None):
            found[1].close()

    async def leave(self, name: str, member: Member) -> bool:
        self._forget(member)
        with contextlib.suppress(SignalingError):  # then the membership expires by itself
            return bool(await self._run(LEAVE, name, member.connection))
        return False

    async def _others(self, name: str, member: Member) -> tuple[list[list[str]], bool]:
        found = await self._run(LIST, name)
        members = [found[i : i + 3] for i in range(0, len(found), 3)]
        first = bool(members) and members[0][1] == member.connection
        return [s for s in members if s[0] != member.label], first

    async def view(self, name: str, member: Member) -> RoomView:
        others, first = await self._others(name, member)
        return RoomView(others[0][0] if others else None, first)

    async def send(self, name: str, member: Member, message: Message) -> bool:
        others, _ = await self._others(name, member)
        return bool(others) and await self._publish(others[0][2], others[0][1], {"message": message.model_dump_json()})

    async def count(self, name: str) -> int:
        return len(await self._run(LIST, name)) // 3

    def totals(self) -> tuple[int, int]:
        return len({room for room, _ in self._members.values()}), len(self._members)

    async def ready(self) -> bool:
        try:
            return (
                bool(await self._ask(self._redis.ping()))
                and self._hearing.is_set()
                and not any(task.done() for task in self._tasks)
            )
        except SignalingError:
            return False

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _hear(self) -> None:
        """Receive what other servers send to this one's peers, until cancelled."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe("facewire:server:" + self._server)
                    self._hearing.set()
                    while True:
                        found = await channel.get_message(ignore_subscribe_messages=True, timeout=10.0)
                        if found:
                            self._hand_over(str(found["data"]))
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("redis: %s; trying again", reason(error))
            self._hearing.clear()
            await asyncio.sleep(PAUSE)

    def _hand_over(self, text: str) -> None:
        """Queue one message, in order. A peer that doesn't read is closed and delays nobody else."""
        try:
            content = json.loads(text)
            _, outbox = self._members[content["to"]]
            item = parse(content["message"]) if "message" in content else SignalingError(content["code"], content["error"])
        except (KeyError, TypeError, ValueError, SignalingError):
            return  # the peer has left meanwhile, or another program uses the channel
        outbox.put(item)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 3)
            for connection, (name, outbox) in list(self._members.items()):
                try:
                    if not await self._run(RENEW, name, connection) and connection in self._members:
                        outbox.put(SignalingError("lost", "the place in the room was lost, join again"))
                except SignalingError:
                    break  # tried again in the next round
