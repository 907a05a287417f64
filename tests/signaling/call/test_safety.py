"""The safety code over real connections: equal for two peers, different if the server is a man in the middle."""

import asyncio
from collections.abc import Callable

from codec.control import SafetyCommitment, SafetyNumber, parse_message
from signaling.call.safety import Safety
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.waiting import PATIENCE, until


class Side:
    """A peer that exchanges codes as a call does."""

    def __init__(self, client: SignalingClient) -> None:
        self.safety, self._client = Safety(), client
        self._tasks: list[asyncio.Task[None]] = []
        self.peer = Peer(IceConfig(), lambda _: None, self._control)

    def _control(self, data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, SafetyCommitment | SafetyNumber)
        self._tasks.append(asyncio.create_task(self.safety.received(self.peer, message)))

    async def connect(self) -> None:
        await self.peer.connect(self._client, PATIENCE)
        await self.safety.begin(self.peer)


async def test_both_peers_see_the_same_words(url: str) -> None:
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        one, other = Side(first), Side(second)
        await asyncio.gather(one.connect(), other.connect())
        await until(lambda: one.safety.words and other.safety.words)
        assert one.safety.words == other.safety.words
        await asyncio.gather(one.peer.close(), other.peer.close())


class Between:
    """Half of a malicious server: the peer of one person, whose messages it forwards to its other half."""

    def __init__(self, client: SignalingClient) -> None:
        self._client = client
        self.pass_on: Callable[[bytes], None] = lambda _: None
        self._tasks: list[asyncio.Task[None]] = []
        self.peer = Peer(IceConfig(), lambda _: None, lambda data: self.pass_on(data))

    async def connect(self) -> None:
        await self.peer.connect(self._client, PATIENCE)

    def say(self, data: bytes) -> None:
        self._tasks.append(asyncio.create_task(self.peer.send_control(data)))


async def test_the_words_reveal_a_server_that_swaps_fingerprints(url: str) -> None:
    """The two believe that they are in one room; the server has put them into two rooms and has joined both."""
    async with (
        SignalingClient(url, "left") as first, SignalingClient(url, "left") as to_first,
        SignalingClient(url, "right") as second, SignalingClient(url, "right") as to_second,
    ):  # fmt: skip
        one, other, left, right = Side(first), Side(second), Between(to_first), Between(to_second)
        left.pass_on, right.pass_on = right.say, left.say
        await asyncio.gather(left.connect(), right.connect(), one.connect(), other.connect())
        await until(lambda: one.safety.words and other.safety.words)
        assert one.safety.words != other.safety.words
        await asyncio.gather(*(side.peer.close() for side in (one, other, left, right)))


async def test_the_commitment_is_sent_before_the_number_however_early_the_peers_arrives(url: str) -> None:
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        one, other = Side(first), Side(second)
        await asyncio.gather(one.peer.connect(first, PATIENCE), other.peer.connect(second, PATIENCE))
        await one.safety.begin(one.peer)
        await until(lambda: one.safety.words and other.safety.words)
        await other.safety.begin(other.peer)  # nothing more is sent
        assert one.safety.words == other.safety.words
        await asyncio.gather(one.peer.close(), other.peer.close())
