"""Keyframes are offered, requested, sent whole or in pieces, and never twice."""

import asyncio
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from codec.control import KeyframeAssembler, KeyframeChunk, KeyframeNotice, Verb, parse_message
from codec.keyframe import encode_keyframe
from sender.keyframes.gallery import Gallery
from signaling.call import keyframe_transfer as keyframes
from signaling.call import slow_start as opening
from signaling.call.keyframe_transfer import CACHED_KEYFRAMES, KeyframesIn, KeyframesOut
from signaling.transport.channels import PeerError
from signaling.transport.wire_meter import Pings


class Line:
    """A stand-in for a peer that keeps the messages it should send."""

    def __init__(self):
        self.sent, self.broken, self.pings = [], False, Pings()

    async def send_control(self, data, *, prompt=True, patience=0.0):
        if self.broken:
            raise PeerError("closed", "closed")
        self.sent.append(parse_message(data))

    async def control_arrived(self, timeout):  # noqa: ASYNC109
        await asyncio.sleep(0)
        return True

    def take(self):
        out, self.sent = self.sent, []
        return out


def keyframe(n):
    noise = np.random.default_rng(n).integers(0, 255, (16, 16, 3), np.uint8)
    return encode_keyframe(noise.repeat(16, 0).repeat(16, 1), 50)


@pytest.fixture(scope="module")
def three():
    return [keyframe(n) for n in range(3)]


@pytest.fixture
def gallery(three):
    gallery = Gallery()
    for one in three:
        gallery.add(one, None)
    return gallery


async def test_keyframes_are_offered_once_a_connection_the_current_one_first(gallery, three):
    out, line = KeyframesOut(gallery), Line()
    await out.offer(line, using=1)
    assert [(m.verb, m.slot, m.digest) for m in line.take()] == [(Verb.OFFER, s, three[s].digest) for s in (1, 0, 2)]
    await out.offer(line, using=1)
    assert line.take() == []
    out.reconnected()
    line.broken = True
    await out.offer(line, using=1)
    line.broken = False
    await out.offer(line, using=2)
    assert [m.slot for m in line.take()] == [2, 0, 1]


async def test_the_current_keyframe_is_sent_at_once_the_newest_in_pieces_and_older_ones_not(gallery, three):
    out, line = KeyframesOut(gallery), Line()

    async def request(slot, digest):
        out.requested(line, KeyframeNotice(Verb.REQUEST, slot, digest), using=0, newest=2)
        while out.hold_bundles:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return line.take()

    at_once = await request(0, three[0].digest)
    assert b"".join(m.data for m in at_once) == three[0].data
    assert await request(0, bytes(8)) == at_once  # zeros: whatever keyframe is in that slot
    for slot, digest in ((1, three[1].digest), (0, three[1].digest), (9, bytes(8)), (2, three[2].digest)):
        assert await request(slot, digest) == []
    await out.send_piece(line, 60)
    assert line.take() == []  # not enough bandwidth for a piece
    pieces = []
    for _ in range(200):
        await out.send_piece(line, 300)
        pieces += line.take()
    assert b"".join(m.data for m in pieces) == three[2].data
    assert all(len(m.data) <= 300 for m in pieces)


async def test_bundles_are_held_while_the_first_keyframe_is_sent_but_not_for_long(gallery, three, monkeypatch):
    out, line, arrived = KeyframesOut(gallery), Line(), asyncio.Event()

    async def control_arrived(timeout):  # noqa: ASYNC109
        await arrived.wait()
        return True

    line.control_arrived = control_arrived
    assert not out.hold_bundles
    notice = KeyframeNotice(Verb.REQUEST, 0, three[0].digest)
    out.requested(line, notice, using=0, newest=2)
    await asyncio.sleep(0.01)
    assert out.hold_bundles
    assert len(line.take()) == 1
    monkeypatch.setattr(keyframes, "FIRST", 0.0)
    assert not out.hold_bundles
    monkeypatch.undo()
    arrived.set()
    await asyncio.sleep(0.01)
    assert not out.hold_bundles
    arrived.clear()
    out.requested(line, notice, using=0, newest=2)
    await asyncio.sleep(0.01)
    out.reconnected()
    await asyncio.sleep(0.01)
    assert not out.hold_bundles


async def test_bundles_are_held_until_the_first_keyframe_is_requested(gallery, three, monkeypatch):
    out, line = KeyframesOut(gallery), Line()
    assert not out.hold_bundles
    await out.offer(line, using=0)
    assert out.hold_bundles
    monkeypatch.setattr(keyframes, "ANSWER", 0.0)
    assert not out.hold_bundles
    monkeypatch.undo()
    assert out.hold_bundles
    out.answered()
    assert not out.hold_bundles
    out.reconnected()
    await out.offer(line, using=0)  # on a later connection, sound is not held
    assert not out.hold_bundles


async def test_on_a_fast_link_bundles_are_no_longer_held(gallery, three, monkeypatch):
    monkeypatch.setattr(opening, "GROWTH", 1)
    monkeypatch.setattr(opening, "time", SimpleNamespace(monotonic=itertools.count(0, 0.1).__next__))
    out, line, arrived = KeyframesOut(gallery), Line(), asyncio.Semaphore(0)

    async def control_arrived(timeout):  # noqa: ASYNC109
        await arrived.acquire()
        return True

    line.control_arrived = control_arrived
    out.requested(line, KeyframeNotice(Verb.REQUEST, 0, three[0].digest), using=0, newest=2)
    told = []
    for _ in range(3):
        await asyncio.sleep(0.01)
        told.append(out.hold_bundles)
        arrived.release()
    assert told == [True, True, False]  # the second window took no longer than the first
    assert out._under_way
    out.close()


async def test_a_withheld_keyframe_stops_at_once_and_is_offered_again(gallery, three):
    out, line, arrived = KeyframesOut(gallery), Line(), asyncio.Event()

    async def control_arrived(timeout):  # noqa: ASYNC109
        await arrived.wait()
        return True

    line.control_arrived = control_arrived
    await out.offer(line, using=0)
    gallery.confirm(1, three[1].digest)
    out.requested(line, KeyframeNotice(Verb.REQUEST, 0, three[0].digest), using=0, newest=2)
    out.requested(line, KeyframeNotice(Verb.REQUEST, 2, three[2].digest), using=0, newest=2)
    await asyncio.sleep(0.01)
    assert line.take()
    out.withhold()
    arrived.set()
    await asyncio.sleep(0.02)
    await out.send_piece(line, 300)
    assert [m for m in line.take() if isinstance(m, KeyframeChunk)] == []
    await out.offer(line, using=0)
    assert [m.slot for m in line.take()] == [0, 2]  # the peer already has the other one


async def test_pieces_wait_for_a_whole_keyframe_and_restart_after_it(gallery, three):
    out, line, arrived = KeyframesOut(gallery), Line(), asyncio.Event()
    out.requested(line, KeyframeNotice(Verb.REQUEST, 2, three[2].digest), using=0, newest=2)
    await out.send_piece(line, 300)
    got = line.take()

    async def control_arrived(timeout):  # noqa: ASYNC109
        await arrived.wait()
        return True

    line.control_arrived = control_arrived
    out.requested(line, KeyframeNotice(Verb.REQUEST, 0, three[0].digest), using=0, newest=2)
    for _ in range(5):
        await asyncio.sleep(0.01)
        await out.send_piece(line, 300)
    arrived.set()
    await asyncio.sleep(0.05)
    for _ in range(60):
        await out.send_piece(line, 300)
    got += line.take()
    assembler = KeyframeAssembler()
    whole = [done for chunk in got if (done := assembler.add(chunk))]
    assert [(slot, k.digest) for slot, k in whole] == [(0, three[0].digest), (2, three[2].digest)]


async def test_a_broken_connection_ends_the_pieces_and_the_next_one_restarts_them(gallery, three):
    out, line = KeyframesOut(gallery), Line()
    notice = KeyframeNotice(Verb.REQUEST, 2, three[2].digest)
    out.requested(line, notice, using=0, newest=2)
    await out.send_piece(line, 300)
    line.broken = True
    await out.send_piece(line, 300)
    out.reconnected()
    line.broken = False
    line.take()
    await out.send_piece(line, 300)
    assert line.take() == []
    out.requested(line, notice, using=0, newest=2)
    await out.send_piece(line, 300)
    assert line.take()[0].offset == 0


async def test_a_keyframe_that_was_received_is_not_requested_again(three):
    got, line = [], Line()
    into = KeyframesIn(lambda slot, k: got.append((slot, k)))
    offer = KeyframeNotice(Verb.OFFER, 4, three[0].digest)
    await into.offered(line, offer)
    assert line.take() == [KeyframeNotice(Verb.REQUEST, 4, three[0].digest)]
    data = three[0].data
    for at in range(0, len(data), 200):
        assert got == []
        await into.chunk(line, KeyframeChunk(4, three[0].digest, len(data), at, data[at : at + 200]))
    assert got == [(4, three[0])]
    assert line.take() == [KeyframeNotice(Verb.HAVE, 4, three[0].digest)]
    await into.offered(line, KeyframeNotice(Verb.OFFER, 7, three[0].digest))
    assert line.take() == [KeyframeNotice(Verb.HAVE, 7, three[0].digest)]
    assert got[1:] == [(7, three[0])]


async def test_the_number_of_remembered_keyframes_is_limited():
    line, into = Line(), KeyframesIn(lambda slot, k: None)
    for n in range(CACHED_KEYFRAMES + 3):
        one = keyframe(100 + n)
        await into.chunk(line, KeyframeChunk(0, one.digest, len(one.data), 0, one.data))
    assert len(into._cache) == CACHED_KEYFRAMES
