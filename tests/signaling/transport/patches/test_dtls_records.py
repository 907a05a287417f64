"""Messages that arrive before the end of the DTLS handshake do not delay all later messages."""

import asyncio
import contextlib

import pytest
from aiohttp.test_utils import TestServer

from bench.calls import relay
from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.patches import dtls_records as records
from signaling.transport.peer import Peer
from tests.waiting import PATIENCE, until

CHANGE_CIPHER, DATA = 20, 23


async def come_alone(url, monkeypatch, patience):
    """Whether each message arrives within ``patience`` seconds, before the next is sent, on a connection
    on which messages arrived before the server's last flight."""
    passes, early = relay._Port.datagram_received, 0
    clock, held = asyncio.get_running_loop().time, 0.0

    def late(port, data, address):
        nonlocal early, held
        waiting = held and clock() < held + 0.9
        if data[0] == CHANGE_CIPHER and not held:
            held = clock()
            asyncio.get_running_loop().call_later(0.9, passes, port, data, address)
        elif data[0] != CHANGE_CIPHER or not waiting:  # repeated copies are lost
            early += bool(waiting and data[0] == DATA)
            passes(port, data, address)

    monkeypatch.setattr(relay._Port, "datagram_received", late)
    bad, came = UdpRelay(Impairment()), {}
    async with TestServer(SignalingProxy(url.rstrip("/"), bad).app) as proxy:
        near = str(proxy.make_url("/"))
        async with SignalingClient(near, "r") as first, SignalingClient(near, "r") as second:
            a = Peer(IceConfig(), lambda data: came.setdefault(data, clock()), lambda _: None)
            b = Peer(IceConfig(), lambda data: came.setdefault(data, clock()), lambda _: None)
            try:
                await asyncio.gather(a.connect(first), b.connect(second))
                await asyncio.sleep(1)
                alone = []
                for number in range(4):
                    names = [(a, b"a" + bytes([number])), (b, b"b" + bytes([number]))]
                    for peer, name in names:
                        assert peer.send_media(name)
                    with contextlib.suppress(AssertionError):
                        await until(lambda names=names: all(name in came for _, name in names), patience)
                    alone += [name in came for _, name in names]
            finally:
                await asyncio.gather(a.close(), b.close())
                bad.close()
    assert early > 1
    return alone


async def test_messages_that_overtake_the_handshake_delay_no_others(url, monkeypatch):
    assert all(await come_alone(url, monkeypatch, PATIENCE))


async def test_without_the_patch_messages_wait_for_the_next_one(url, monkeypatch):
    monkeypatch.setattr(records, "drain_records", lambda _: None)
    assert not all(await come_alone(url, monkeypatch, 0.4))


@pytest.mark.parametrize("lacks", ["_handle_data", "_ssl"])
def test_an_aiortc_with_other_internals_is_not_patched(lacks):
    class Association:
        pass

    sctp, sctp_transport = Association(), Association()
    sctp.transport = sctp_transport
    for part, name in ((sctp, "_handle_data"), (sctp_transport, "_ssl"), (sctp_transport, "_data_receiver")):
        if name != lacks:
            setattr(part, name, "untouched")
    records.drain_records(sctp)
    assert getattr(sctp, "_handle_data", "untouched") == "untouched"
