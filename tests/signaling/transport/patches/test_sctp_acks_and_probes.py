"""Acknowledgements are sent together with data, and data still arrives despite losses."""

import asyncio
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from aiortc.rtcsctptransport import DataChunk, RTCSctpTransport, SackChunk, parse_packet

from signaling.transport.patches import sctp_acks_and_probes as acks
from signaling.transport.patches.sctp_acks_and_probes import ALONG, AT_ONCE, DELAY, PACKETS, STRIKES, AckBundler

pytestmark = pytest.mark.virtual_time


class FakeDtls:
    """The transport of an association; it keeps the packets."""

    def __init__(self):
        self.packets, self.transport = [], SimpleNamespace(role="controlling")
        self.state = "connected"

    async def _send_data(self, data):
        self.packets.append(parse_packet(data)[3])

    def kinds(self):
        return [[type(c) for c in packet] for packet in self.packets]


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
async def link(monkeypatch):
    monkeypatch.setattr(acks, "time", SimpleNamespace(time=now))
    dtls = FakeDtls()
    sctp = RTCSctpTransport(dtls)
    sctp._remote_port, sctp._last_received_tsn, sctp._last_sacked_tsn = 5000, 99, 0
    AckBundler(sctp)
    return sctp, dtls


def data(tsn, size=20):
    chunk = DataChunk(flags=7)
    chunk.tsn, chunk.stream_id, chunk.stream_seq, chunk.protocol, chunk.user_data = tsn, 1, 0, 53, bytes(size)
    return chunk


async def send(sctp, *chunks):
    """Send chunks in one step of the event loop, as aiortc does, and run the next two steps."""
    for chunk in chunks:
        await sctp._send_chunk(chunk)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def receive(sctp, tsn):
    """Receive a data chunk as aiortc does, as far as acknowledgements are concerned."""
    sctp._sack_needed = True
    sctp._mark_received(tsn)
    await sctp._send_sack()


async def test_the_acknowledgement_is_sent_together_with_data(link):
    sctp, dtls = link
    await receive(sctp, 100)
    assert dtls.packets == []
    await send(sctp, data(7))
    assert dtls.kinds() == [[SackChunk, DataChunk]]
    assert dtls.packets[0][0].cumulative_tsn == 100
    assert dtls.packets[0][1].tsn == 7
    await send(sctp, data(8))
    assert dtls.kinds()[1:] == [[DataChunk]]
    await asyncio.sleep(DELAY + 0.1)
    assert len(dtls.packets) == 2


async def test_the_acknowledgement_waits_for_a_limited_number_of_packets(link):
    sctp, dtls = link
    for tsn in range(100, 100 + 2 * PACKETS):
        await receive(sctp, tsn)
    assert dtls.kinds() == [[SackChunk], [SackChunk]]
    assert [p[0].cumulative_tsn for p in dtls.packets] == [99 + PACKETS, 99 + 2 * PACKETS]


async def test_the_acknowledgement_waits_for_a_limited_time(link):
    sctp, dtls = link
    await receive(sctp, 100)
    await asyncio.sleep(DELAY - 0.001)
    assert dtls.packets == []
    await asyncio.sleep(0.002)
    assert dtls.kinds() == [[SackChunk]]
    assert DELAY < 0.5  # RFC 9260 section 6.2


async def test_prompt_messages_are_acknowledged_at_once(link):
    sctp, dtls = link
    sctp._sack_needed = True

    async def arrives(chunk):
        sctp._mark_received(chunk.tsn)
        await sctp._send_sack()

    bundler = sctp._send_chunk.__self__
    bundler._receive = arrives
    chunk = data(7)
    chunk.flags = 3
    await send(sctp, chunk, data(8))
    sent = dtls.packets.pop()
    assert [c.flags & AT_ONCE for c in sent] == [AT_ONCE, 0]  # unordered messages, which are bundles, may wait
    sent[0].tsn = 100
    await sctp._receive_data_chunk(sent[0])
    await asyncio.sleep(3 * ALONG)
    assert dtls.kinds() == [[SackChunk]]
    for tsn, flags in ((101, 0), (102, AT_ONCE)):  # Chromium sets the flag on bundles, too
        sent[1].tsn, sent[1].flags = tsn, sent[1].flags | flags
        await sctp._receive_data_chunk(sent[1])
        await asyncio.sleep(3 * ALONG)
        assert len(dtls.packets) == 1


async def test_gaps_and_duplicates_are_reported_at_once(link):
    sctp, dtls = link
    await receive(sctp, 102)
    assert dtls.packets[0][0].gaps == [(3, 3)]
    await receive(sctp, 102)
    assert dtls.packets[1][0].duplicates == [102]


async def test_a_gap_that_has_been_reported_often_enough_is_no_longer_urgent(link):
    sctp, dtls = link
    for tsn in range(101, 101 + STRIKES):  # 100 is missing
        await receive(sctp, tsn)
    assert [p[0].gaps for p in dtls.packets] == [[(2, 2 + i)] for i in range(STRIKES)]
    for tsn in range(101 + STRIKES, 101 + STRIKES + PACKETS):
        assert len(dtls.packets) == STRIKES
        await receive(sctp, tsn)
    assert len(dtls.packets) == STRIKES + 1
    await receive(sctp, 102 + STRIKES + PACKETS)  # another one is missing
    assert len(dtls.packets) == STRIKES + 2


async def test_nothing_is_added_to_a_full_packet(link):
    sctp, dtls = link
    await receive(sctp, 100)
    await send(sctp, data(7, 1150))
    assert dtls.kinds() == [[DataChunk]]


async def test_messages_of_one_step_share_a_packet_if_they_fit(link):
    sctp, dtls = link
    await receive(sctp, 100)
    await send(sctp, data(7, 400), data(8, 60), data(9, 1100), data(10, 20))
    assert dtls.kinds() == [[SackChunk, DataChunk, DataChunk], [DataChunk, DataChunk]]
    assert [c.tsn for packet in dtls.packets for c in packet if isinstance(c, DataChunk)] == [7, 8, 9, 10]
    assert [len(c.user_data) for c in dtls.packets[0][1:]] == [400, 60]


async def test_data_of_a_closed_connection_is_dropped_without_an_error(link):
    sctp, dtls = link
    dtls._send_data = AsyncMock(side_effect=ConnectionError)
    await send(sctp, data(7))
    dtls._send_data.assert_awaited_once()


async def test_an_aiortc_with_other_internals_is_not_patched(caplog):
    sctp = SimpleNamespace(_send_chunk=None)
    AckBundler(sctp)
    assert sctp._send_chunk is None
    assert "not bundled" in caplog.text


async def under_way(sctp, chunk):
    """Send a chunk as aiortc does, so that it is not acknowledged yet."""
    chunk._acked, chunk._sent_count, chunk._sent_time = False, 1, now()
    sctp._sent_queue.append(chunk)
    await send(sctp, chunk)


async def test_a_message_that_is_not_acknowledged_is_sent_again(link):
    sctp, dtls = link
    bundler = sctp._send_chunk.__self__
    bundler.patience = 0.05
    chunks = [data(tsn) for tsn in (7, 8, 9)]
    for chunk in chunks:
        chunk.flags = 3
        await under_way(sctp, chunk)
    dtls.packets.clear()
    await asyncio.sleep(0.07)
    assert [[c.tsn for c in packet] for packet in dtls.packets] == [[7, 9]]
    assert [c._sent_count for c in chunks] == [2, 1, 2]  # chunks sent twice are not used to measure round trips
    for chunk in chunks:
        chunk._acked = True
    await asyncio.sleep(0.15)
    assert len(dtls.packets) == 1
    assert bundler._probe is None


async def test_a_message_sent_a_moment_ago_is_not_sent_again_yet(link):
    sctp, dtls = link
    sctp._send_chunk.__self__.patience = 0.3
    first, second = data(7), data(8)
    first.flags = second.flags = 3
    await under_way(sctp, first)
    await asyncio.sleep(0.2)
    first._acked = True
    await under_way(sctp, second)
    dtls.packets.clear()
    await asyncio.sleep(0.15)
    assert dtls.packets == []
    await asyncio.sleep(0.25)
    assert [c.tsn for c in dtls.packets[0]] == [8]


async def test_bundles_and_messages_that_may_wait_are_not_sent_again(link):
    sctp, dtls = link
    bundler = sctp._send_chunk.__self__
    bundler.patience, bundler.prompt = 0.02, False
    piece = data(8)
    piece.flags = 3
    await under_way(sctp, data(7))
    await under_way(sctp, piece)
    bundler.prompt = True
    await under_way(sctp, data(9))
    dtls.packets.clear()
    await asyncio.sleep(0.1)
    assert dtls.packets == []


async def test_a_message_is_not_sent_again_for_ever(link, monkeypatch):
    monkeypatch.setattr(acks, "LATEST", 0.02)
    sctp, dtls = link
    sctp._send_chunk.__self__.patience = 0.02
    chunk = data(7)
    chunk.flags = 3
    await under_way(sctp, chunk)
    await asyncio.sleep(0.02 * (acks.PROBES + 4))
    assert len(dtls.packets) == 1 + acks.PROBES


async def test_after_a_timeout_more_than_one_packet_may_be_in_flight(link):
    sctp, _ = link
    sctp._cwnd = 1160
    await send(sctp, data(7))
    assert sctp._cwnd == acks.WINDOW_MIN
    sctp._cwnd = 9000
    await send(sctp, data(8))
    assert sctp._cwnd == 9000
