"""How a call handles the peer's messages, without a connection."""

import asyncio
from typing import Any, cast

import numpy as np
import pytest

from codec.bundle import Bundle, Report
from codec.bundle_pair import join_bundles
from codec.control import VERSION, Hello, KeyframeNotice, Verb, parse_message
from models.runtime.upsampler import Interpolator
from receiver.player import Player
from sender.adaptation.ladder import USUAL, Ladder
from sender.stream import SenderStream
from signaling.call.call import Call
from signaling.config import IceConfig
from signaling.protocol import SignalingError
from signaling.transport.peer import Peer
from signaling.transport.wire_meter import Pings
from tests.receiver.test_player import Instant


async def test_a_peer_of_the_same_version_is_accepted() -> None:
    call = Call(IceConfig())
    await call._on_control(Peer(IceConfig(), lambda _: None, lambda _: None), Hello(model="call").pack())
    assert call.remote is not None


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
async def test_a_peer_of_another_version_ends_the_call_with_an_error(version: int) -> None:
    call = Call(IceConfig())
    with pytest.raises(SignalingError, match="update the older"):
        await call._on_control(Peer(IceConfig(), lambda _: None, lambda _: None), Hello(version=version).pack())


class Line:
    """A stand-in for a peer that keeps the messages it should send."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed, self.pings = asyncio.Event(), Pings()

    async def send_control(self, data: bytes, **_: Any) -> None:
        self.sent.append(parse_message(data))

    async def control_arrived(self, timeout: float) -> bool:  # noqa: ASYNC109
        return True


async def test_a_peer_that_joins_while_the_camera_is_off_gets_no_earlier_picture() -> None:
    stream, line = SenderStream(), Line()
    stream.keyframes.set(np.full((256, 256, 3), 90, np.uint8))
    call = Call(IceConfig(), stream=stream)
    call.link.peer = peer = cast(Peer, line)
    digest = stream.keyframes.gallery.keyframes[0].digest
    asked = KeyframeNotice(Verb.REQUEST, 0, digest).pack()
    stream.framing.camera_off = True
    await call._offer_keyframes()
    await call._on_control(peer, asked)
    await asyncio.sleep(0.01)
    assert line.sent == []
    stream.framing.camera_off = False
    await call._offer_keyframes()
    assert [m.verb for m in line.sent] == [Verb.OFFER]
    stream.framing.camera_off = True
    await call._on_control(peer, asked)  # just after the camera was switched off
    await asyncio.sleep(0.01)
    assert len(line.sent) == 1
    stream.framing.camera_off = False
    await call._offer_keyframes()
    await call._on_control(peer, asked)
    await asyncio.sleep(0.05)
    assert line.sent[1].verb == Verb.OFFER
    assert b"".join(m.data for m in line.sent[2:]) == stream.keyframes.gallery.keyframes[0].data
    call.link.peer = None


def told(number: int) -> bytes:
    return Bundle(number, number, report=Report(number, 0)).pack()


def test_both_bundles_of_a_pair_arrive_and_a_broken_pair_is_one_error() -> None:
    call, newest = Call(IceConfig()), []
    call._reported = lambda report: newest.append(report.newest)  # type: ignore[method-assign]
    pair = join_bundles(told(1), told(2))
    call._media(pair)
    call._media(told(3))
    assert (newest, call.errors) == ([1, 2, 3], 0)
    call._media(pair[:4])
    assert call.errors == 1
    call._media(join_bundles(told(4), pair))  # a pair inside a pair
    assert (newest[-1], call.errors) == (4, 2)


async def test_a_broken_pair_is_counted_as_a_broken_bundle() -> None:
    player = Player(Instant, Interpolator(), [])
    call = Call(IceConfig(), player=player)
    call._media(join_bundles(told(1), told(2))[:4])
    assert (player.count.broken, call.errors) == (1, 1)
    await player.close()


async def test_pairs_are_sent_only_to_a_peer_that_accepts_them_and_not_to_the_next() -> None:
    ladder = Ladder()
    call = Call(IceConfig(), ladder=ladder)
    one, other = (Peer(IceConfig(), lambda _: None, lambda _: None) for _ in range(2))
    call.link.peer = one
    await call._on_control(one, Hello(pairs=True).pack())
    call._reported(Report(1))
    for i in range(20):
        ladder.report(0.0, True, i * 0.2, confirmed=True, known_empty=False)
    assert call._paired
    call.link.peer = other  # nothing is known of this peer yet
    assert not call._paired
    call._reported(Report(2))
    assert ladder.at == USUAL
    await call._on_control(other, Hello(pairs=False).pack())
    call._reported(Report(3))
    assert not call._paired
    call.link.peer = None
