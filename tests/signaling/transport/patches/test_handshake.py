"""Handshakes on a lossy network: unanswered messages are sent again soon, and answered ones are
not."""

import asyncio
from types import SimpleNamespace

import pytest
from aioice import stun
from aiortc.rtcsctptransport import CookieAckChunk, InitAckChunk, InitChunk, RTCSctpTransport, parse_packet
from pyee.asyncio import AsyncIOEventEmitter

from signaling.transport.patches import dtls_flights, ice_checks
from signaling.transport.patches.dtls_flights import Flight
from signaling.transport.patches.sctp_init import fix_init_handling
from signaling.transport.patience import LATEST, SOONEST, patience

pytestmark = pytest.mark.virtual_time

HELLO, FINISHED, DATA = b"\x16hello", b"\x14finished", b"\x17data"


class Dtls(AsyncIOEventEmitter):
    """A stand-in for a DTLS transport, over an ICE transport that keeps sent packets and delivers those of the test."""

    def __init__(self, role):
        super().__init__()
        self.state, self._role = "connecting", role
        self.sent, self.come = [], asyncio.Queue()
        self.transport = SimpleNamespace(_send=self._keep, _recv=self.come.get)

    async def _keep(self, data):
        self.sent.append(data)

    async def send(self, *packets):
        for packet in packets:
            await self.transport._send(packet)

    async def receive(self, packet):
        self.come.put_nowait(packet)
        assert await self.transport._recv() == packet

    def become(self, state):
        self.state = state
        self.emit("statechange")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    ice_checks.shorten_check_retries()
    monkeypatch.setattr(ice_checks, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))


def flight(role):
    dtls = Dtls(role)
    sctp = SimpleNamespace(transport=dtls, _rto=3.0)
    return Flight(SimpleNamespace(sctp=sctp), lambda: 0.0), dtls, sctp


async def test_a_flight_is_repeated_until_it_is_answered():
    _, dtls, _ = flight("client")
    await dtls.send(HELLO, FINISHED)
    await asyncio.sleep(SOONEST * 1.5)
    assert dtls.sent == [HELLO, FINISHED] * 2
    await dtls.receive(b"\x16answer")
    await dtls.send(b"\x16next")
    dtls.sent.clear()
    await asyncio.sleep(SOONEST * 1.5)
    assert dtls.sent == [b"\x16next"]


async def test_a_flight_is_not_repeated_for_ever():
    _, dtls, _ = flight("client")
    await dtls.send(HELLO)
    await asyncio.sleep(LATEST * (dtls_flights.REPEATS + 3))
    assert dtls.sent == [HELLO] * (1 + dtls_flights.REPEATS)


async def test_a_flight_that_openssl_repeats_itself_replaces_the_kept_one():
    _, dtls, _ = flight("client")
    await dtls.send(HELLO)
    await asyncio.sleep(dtls_flights.TOGETHER * 2)
    await dtls.send(b"\x16hello again")
    dtls.sent.clear()
    await asyncio.sleep(SOONEST * 1.5)
    assert dtls.sent == [b"\x16hello again"]


async def test_the_client_stops_repeating_when_it_is_connected():
    _, dtls, sctp = flight("client")
    await dtls.send(HELLO)
    dtls.become("connected")
    await asyncio.sleep(SOONEST * 2)
    assert dtls.sent == [HELLO]
    assert sctp._rto == SOONEST  # the timeout of SCTP's first message


async def test_the_server_stops_repeating_when_data_arrives():
    _, dtls, _ = flight("server")
    await dtls.send(FINISHED)
    dtls.become("connected")
    await dtls.send(DATA)
    await asyncio.sleep(SOONEST * 1.5)
    assert dtls.sent == [FINISHED, DATA, FINISHED]
    await dtls.receive(DATA)
    await asyncio.sleep(SOONEST * 4)
    assert len(dtls.sent) == 3


async def test_a_connection_that_ends_stops_repeating():
    for end in ("closed", "failed"):
        _, dtls, _ = flight("server")
        await dtls.send(HELLO)
        dtls.become(end)
        await asyncio.sleep(SOONEST * 2)
        assert dtls.sent == [HELLO]


def test_the_interval_grows_with_the_round_trip_up_to_a_limit():
    assert [patience(t) for t in (0.0, 0.01, 0.12, 5.0)] == [SOONEST, SOONEST, pytest.approx(0.36), LATEST]


class Wire:
    """The transport between two associations; packets for which ``lose`` is true are lost."""

    def __init__(self, role, lose):
        self._role, self.state, self._lose = role, "connected", lose
        self.other = self.receiver = None

    def _register_data_receiver(self, receiver):
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver):
        self.receiver = None

    async def _send_data(self, data):
        _, _, tag, chunks = parse_packet(data)
        if not self._lose(type(chunks[0]), tag):
            asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(self._arrive(data)))

    async def _arrive(self, data):
        if self.other.receiver:
            await self.other.receiver._handle_data(data)


async def associate(prepare):
    """Start two associations at once and lose the first answer in each direction; returns whether each gets established."""
    lost = []

    def lose(kind, tag):
        if kind is InitAckChunk and len(lost) < 2:
            lost.append(tag)
            return True
        return False

    wires = [Wire("client", lose), Wire("server", lose)]
    wires[0].other, wires[1].other = wires[1], wires[0]
    both = [RTCSctpTransport(wire) for wire in wires]
    for sctp in both:
        sctp._rto = 0.05
        prepare(sctp)
    await asyncio.gather(*(sctp.start(None, 5000) for sctp in both))
    await asyncio.sleep(0.35)
    stands = [sctp._association_state == RTCSctpTransport.State.ESTABLISHED for sctp in both]
    for sctp in both:
        await sctp.stop()
    assert len(lost) == 2
    return stands


async def test_simultaneous_starts_succeed_although_both_answers_are_lost():
    assert await associate(fix_init_handling) == [True, True]


async def test_without_the_patch_simultaneous_starts_fail():
    """If this test fails, aiortc has fixed the bug, and ``fix_init_handling`` can be removed."""
    assert await associate(lambda sctp: None) == [False, False]


async def test_an_association_is_attempted_with_more_than_nine_messages():
    wires = [Wire("client", lambda kind, tag: dark), Wire("server", lambda kind, tag: dark)]
    wires[0].other, wires[1].other = wires[1], wires[0]
    both, dark = [RTCSctpTransport(wire) for wire in wires], True
    for sctp in both:
        sctp._rto = 0.02
        fix_init_handling(sctp)
    await asyncio.gather(*(sctp.start(None, 5000) for sctp in both))
    await asyncio.sleep(0.5)
    dark = False
    await asyncio.sleep(0.3)
    assert all(sctp._association_state == RTCSctpTransport.State.ESTABLISHED for sctp in both)
    for sctp in both:
        await sctp.stop()


async def test_a_late_copy_of_the_first_message_is_ignored():
    wires = [Wire("client", lambda kind, tag: False), Wire("server", lambda kind, tag: False)]
    wires[0].other, wires[1].other = wires[1], wires[0]
    both, first = [RTCSctpTransport(wire) for wire in wires], []
    for sctp in both:
        sctp._rto = 0.2
        fix_init_handling(sctp)
    sending = wires[0]._send_data

    async def keep(data):
        if isinstance(parse_packet(data)[3][0], InitChunk):
            first.append(data)
        await sending(data)

    wires[0]._send_data = keep
    await asyncio.gather(*(sctp.start(None, 5000) for sctp in both))
    await asyncio.sleep(0.2)
    for _ in range(3):
        await both[0]._send(1, 53, b"before", ordered=False)
    await asyncio.sleep(0.1)
    counted = both[1]._last_received_tsn
    await both[1]._handle_data(first[0])
    assert both[1]._last_received_tsn == counted
    for sctp in both:
        await sctp.stop()


async def test_only_the_first_message_is_sent_without_a_tag():
    packets = []

    async def send(data):
        packets.append(parse_packet(data))

    sctp = RTCSctpTransport(SimpleNamespace(_send_data=send, state="connected"))
    sctp._remote_port, sctp._remote_verification_tag = 5000, 77
    fix_init_handling(sctp)
    await sctp._send_chunk(InitChunk())
    await sctp._send_chunk(CookieAckChunk())
    assert [tag for _, _, tag, _ in packets] == [0, 77]
    assert sctp._remote_verification_tag == 77


class Deaf:
    """A protocol that records when requests are sent and never gets an answer."""

    def __init__(self, under_way=1):
        self.times, self.transactions = [], dict.fromkeys(range(under_way))

    def send_stun(self, message, addr):
        self.times.append(asyncio.get_running_loop().time())


def question():
    return stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)


async def test_a_check_is_repeated_at_short_intervals_until_its_time_limit(monkeypatch):
    monkeypatch.setattr(ice_checks, "CHECK_MOST", 0.12)
    monkeypatch.setattr(ice_checks, "CHECK_EACH", 0.0)
    monkeypatch.setattr(ice_checks, "CHECK_SPAN", 0.6)
    deaf = Deaf()
    with pytest.raises(stun.TransactionTimeout):
        await stun.Transaction(question(), ("127.0.0.1", 1), deaf).run()
    # Repeats after 0.1 s, then every 0.12 s, until 0.6 s have passed.
    assert [round(t - deaf.times[0], 6) for t in deaf.times] == [0.0, 0.1, 0.22, 0.34, 0.46, 0.58]


async def test_many_unanswered_checks_share_the_rate(monkeypatch):
    monkeypatch.setattr(ice_checks, "CHECK_SPAN", 0.5)
    deaf = Deaf(20)
    with pytest.raises(stun.TransactionTimeout):
        await stun.Transaction(question(), ("127.0.0.1", 1), deaf).run()
    assert len(deaf.times) <= 4  # 0.1, 0.2, 0.4 s apart: the interval doubles up to the limit of 20 × 0.2 s


async def test_a_consent_check_is_repeated_and_then_waits_for_an_answer(monkeypatch):
    monkeypatch.setattr(ice_checks, "CONSENT", 0.15)
    deaf, began = Deaf(), asyncio.get_running_loop().time()
    with pytest.raises(stun.TransactionTimeout):
        await stun.Transaction(question(), ("127.0.0.1", 1), deaf, retransmissions=0).run()
    assert len(deaf.times) == ice_checks.CONSENT_TRIES
    assert asyncio.get_running_loop().time() - began > 0.15 * 6.5  # a long round trip is not taken for a loss
