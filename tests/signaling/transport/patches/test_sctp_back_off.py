"""SCTP's retransmission timeout follows a round trip that grows beyond it."""

import asyncio
from types import SimpleNamespace

import pytest
from aiortc.rtcsctptransport import RTCSctpTransport

from signaling.transport.patches.sctp_back_off import RTO_MAX, back_off
from tests.signaling.transport.patches.wire import linked

pytestmark = pytest.mark.virtual_time


async def expiries(monkeypatch, *, backing_off):
    """How often the timers expire in the 20 s after a queue of 1.6 s has appeared; nothing is lost."""
    async with linked(monkeypatch, 0.02, backing_off=backing_off) as link:
        await link.bundles(25)
        assert link.ends[0]._rto <= 1.0
        link.wires[0].delay = 1.6
        before = len(link.expired)
        await link.bundles(100, start=25)
        await asyncio.sleep(3)
        assert len(link.arrived) == 2 * 125
        return len(link.expired) - before


async def test_a_longer_round_trip_is_learnt_after_few_expiries(monkeypatch):
    assert await expiries(monkeypatch, backing_off=True) <= 6


async def test_without_the_patch_it_is_never_learnt(monkeypatch):
    """If this test fails, aiortc has fixed the bug, and ``back_off`` can be removed."""
    assert await expiries(monkeypatch, backing_off=False) > 20


def test_the_timeout_is_doubled_up_to_a_limit():
    seen, states = [], RTCSctpTransport.State
    sctp = SimpleNamespace(_rto=1.0, State=states, _association_state=states.ESTABLISHED)
    sctp._t3_expired = lambda: seen.append(sctp._rto)
    back_off(sctp)
    for _ in range(4):
        sctp._t3_expired()
    sctp._rto = 9.0  # measured
    sctp._t3_expired()
    assert seen == [2.0, 4.0, RTO_MAX, RTO_MAX, 9.0]
    sctp._association_state = states.CLOSED
    sctp._t3_expired()
    assert len(seen) == 5, "the timer of a closed association is not started again"


def test_an_aiortc_with_other_internals_is_not_patched():
    sctp = SimpleNamespace(_rto=1.0)
    back_off(sctp)
    assert vars(sctp) == {"_rto": 1.0}
