"""FORWARD TSN chunks travel with data, and each is sent once a round trip."""

import asyncio
import gc

import pytest
from aiortc.rtcsctptransport import DataChunk, ForwardTsnChunk, RTCSctpTransport, SackChunk

from signaling.transport.patches.sctp_acks_and_probes import AckBundler
from signaling.transport.patches.sctp_forward_tsn import AGAIN_MAX, WAIT
from tests.signaling.transport.patches.test_sctp_acks_and_probes import FakeDtls, data, receive, send
from tests.signaling.transport.patches.test_sctp_acks_and_probes import link as link  # a fixture
from tests.signaling.transport.patches.wire import linked

pytestmark = pytest.mark.virtual_time


def forward(tsn):
    chunk = ForwardTsnChunk()
    chunk.cumulative_tsn = tsn
    return chunk


async def test_a_forward_tsn_travels_with_data_and_an_acknowledgement(link):
    sctp, dtls = link
    await receive(sctp, 100)
    await send(sctp, forward(6))
    assert dtls.packets == []
    await send(sctp, data(7))
    assert dtls.kinds() == [[SackChunk, ForwardTsnChunk, DataChunk]]
    assert dtls.packets[0][1].cumulative_tsn == 6
    await asyncio.sleep(2 * WAIT)
    assert len(dtls.packets) == 1


async def test_without_data_it_waits_for_a_limited_time_and_takes_the_acknowledgement_along(link):
    sctp, dtls = link
    await receive(sctp, 100)
    await send(sctp, forward(5))
    await send(sctp, forward(6))
    await asyncio.sleep(WAIT - 0.001)
    assert dtls.packets == []
    await asyncio.sleep(0.002)
    assert dtls.kinds() == [[SackChunk, ForwardTsnChunk]]
    assert dtls.packets[0][1].cumulative_tsn == 6, "the newest"


@pytest.mark.parametrize(("round_trip", "again"), [(1.2, 1.2), (0.05, WAIT), (9.0, AGAIN_MAX)])
async def test_the_same_is_sent_again_after_a_round_trip_and_a_newer_one_with_the_next_data(link, round_trip, again):
    sctp, dtls = link
    sctp._srtt = round_trip
    await send(sctp, forward(6), data(7))
    await asyncio.sleep(again - 0.01)
    await send(sctp, forward(6), data(8))
    await asyncio.sleep(0.02)
    await send(sctp, forward(6), data(9))
    await send(sctp, forward(8), data(10))
    together, alone = [ForwardTsnChunk, DataChunk], [DataChunk]
    assert dtls.kinds() == [together, alone, together, together]


async def test_it_does_not_enlarge_a_full_packet(link):
    sctp, dtls = link
    await send(sctp, forward(6), data(7, 1199))
    assert dtls.kinds() == [[DataChunk]]
    await asyncio.sleep(WAIT + 0.01)
    assert dtls.kinds() == [[DataChunk], [ForwardTsnChunk]]


async def test_what_the_peer_has_confirmed_meanwhile_is_not_sent(link):
    sctp, dtls = link
    await send(sctp, forward(6))
    sctp._last_sacked_tsn = 6
    await send(sctp, data(7))
    await asyncio.sleep(2 * WAIT)
    assert dtls.kinds() == [[DataChunk]]


async def test_a_closed_connection_is_no_error_and_an_ended_one_sends_nothing(link):
    sctp, dtls = link
    errors, tried = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))

    async def closed(data):
        tried.append(data)
        raise ConnectionError

    dtls._send_data = closed
    await send(sctp, forward(6))
    await asyncio.sleep(2 * WAIT)
    assert len(tried) == 1
    await send(sctp, forward(9))
    sctp._send_chunk.__self__.end()
    await asyncio.sleep(2 * WAIT)
    gc.collect()  # an error that nobody fetched is reported when its task is collected
    assert len(tried) == 1
    assert errors == []


async def test_an_aiortc_without_what_is_needed_is_not_patched(monkeypatch, caplog):
    monkeypatch.delattr(RTCSctpTransport, "_t3_restart")
    sctp = RTCSctpTransport(FakeDtls())
    AckBundler(sctp)
    assert "_send_chunk" not in vars(sctp)
    assert "no _t3_restart" in caplog.text


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.3])
async def test_after_one_lost_bundle_no_timer_expires(monkeypatch, delay):
    async with linked(monkeypatch, delay) as link:
        await link.bundles(15)
        link.wires[0].lost = b"bundle 20"
        await link.bundles(40, start=15)
        await asyncio.sleep(2)
        assert len(link.arrived) == 2 * 55 - 1
        assert link.expired == []


async def test_one_lost_bundle_costs_few_packets_on_a_long_path(monkeypatch):
    """aiortc alone answers the loss of one bundle with more than ten packets each way."""
    async with linked(monkeypatch, delay=0.75) as link:
        await link.bundles(20)
        link.wires[0].lost = b"bundle 30"
        link.sent()
        await link.bundles(80, start=20)
        await asyncio.sleep(3)
        sent = link.sent()
        assert len(link.arrived) == 2 * 100 - 1
        assert not any(end._sent_queue for end in link.ends), "both know what arrived"
    alone = [[type(c).__name__ for c in packet] for packet in sent if not any(isinstance(c, DataChunk) for c in packet)]
    assert len(alone) <= 10, alone
    assert 1 <= sum(isinstance(c, ForwardTsnChunk) for packet in sent for c in packet) <= 2
