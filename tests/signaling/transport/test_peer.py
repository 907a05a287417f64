import asyncio
import contextlib
import os

import pytest
from aioice import ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.signaling import BYE

from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.protocol import Ready, SignalingError
from signaling.transport.channels import MAX_CONTROL, MAX_MEDIA, PeerError
from signaling.transport.patches import ice_checks
from signaling.transport.patches import ice_loopback as loopback
from signaling.transport.patches.sctp_acks_and_probes import DELAY, PACKETS
from signaling.transport.peer import Peer
from tests.waiting import PATIENCE, until

ICE = IceConfig()


class Side:
    """One side of a call: a Peer and what it has received."""

    def __init__(self, client, **options):
        self.client, self.media, self.control = client, [], []
        self.peer = Peer(ICE, self.media.append, self.control.append, **options)

    async def connect(self, timeout=PATIENCE):  # noqa: ASYNC109
        await self.peer.connect(self.client, timeout)


@contextlib.asynccontextmanager
async def two(url):
    """Two connected peers."""
    async with SignalingClient(url, "r") as first, SignalingClient(url, "r") as second:
        a, b = Side(first), Side(second)
        assert a.peer.state == "new"
        await asyncio.gather(a.connect(), b.connect())
        assert (a.peer.state, b.peer.state) == ("connected", "connected")
        try:
            yield a, b
        finally:
            await asyncio.gather(a.peer.close(), b.peer.close())


async def test_media_and_control_both_ways(url):
    async with two(url) as (a, b):
        for one, other in ((a, b), (b, a)):
            bundles = [bytes([number]) * 250 for number in range(20)]
            for bundle in bundles:
                assert one.peer.send_media(bundle)
                await asyncio.sleep(0.005)
            keyframe = os.urandom(60_000)
            chunks = [keyframe[i : i + 16_000] for i in range(0, 60_000, 16_000)]
            for chunk in chunks:
                await one.peer.send_control(chunk)
            await one.peer.send_control(b"")
            await until(lambda other=other: len(other.control) == 5 and len(other.media) == 20)
            assert other.control == [*chunks, b""]
            assert sorted(other.media) == bundles
        assert 0 < a.peer.round_trip() < 2


async def test_channels_have_the_promised_reliability(url):
    async with two(url) as sides:
        for side in sides:
            channels = side.peer._channels._channels
            assert (channels["media"].ordered, channels["media"].maxRetransmits) == (False, 0)
            assert (channels["control"].ordered, channels["control"].maxRetransmits) == (True, None)


async def test_the_wire_count_equals_the_bytes_at_the_sockets(url):
    async with two(url) as (a, b):
        before, transport = a.peer.wire(), a.peer._pc.sctp.transport
        own = next(iter(transport._get_stats().values()))
        for _ in range(20):
            a.peer.send_media(bytes(250))
            await asyncio.sleep(0.02)
        await until(lambda: len(b.media) == 20)
        await asyncio.sleep(0.1)
        passed, now = a.peer.wire() - before, next(iter(transport._get_stats().values()))
        # A message costs its payload and 85 bytes (codec/accounting.py); every third causes a SACK of 85. Consent checks may add.
        assert 20 * 335 <= passed.bytes_out <= 20 * 335 + 400
        assert 5 * 85 <= passed.bytes_in <= 8 * 85 + 400
        assert 20 <= passed.packets_out <= 22
        # aiortc counts the same datagrams, but neither their headers nor those of ICE.
        headers = 28 * (now.packetsSent - own.packetsSent)
        assert 0 <= passed.bytes_out - headers - (now.bytesSent - own.bytesSent) <= 400
        assert abs(a.peer.wire().bytes_out - b.peer.wire().bytes_in) < 1000
        assert a.peer.wire().bytes_out > 1000  # The handshake is included.


async def test_in_a_call_few_packets_contain_only_an_acknowledgement(url):
    from tests.signaling.transport.test_peer import two

    async with two(url) as (a, b):
        await asyncio.sleep(0.5)
        before = a.peer.wire()
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            a.peer.send_media(bytes(100))
            await asyncio.sleep(0.06)
            b.peer.send_media(bytes(100))
            await asyncio.sleep(0.06)
        await until(lambda: len(a.media) == len(b.media) == 20)
        spent, took = a.peer.wire() - before, asyncio.get_running_loop().time() - began
        # 20 bundles of 193 bytes with a SACK of 16 each, separate SACKs only where they waited too long for a bundle, and some
        # consent checks. Without bundling, each of the 20 received bundles would cause a separate SACK.
        assert 20 <= spent.packets_out <= 20 + 20 / PACKETS + took / DELAY + took


async def test_media_that_would_have_to_wait_is_dropped(url):
    async with two(url) as (a, _):
        sent = [a.peer.send_media(bytes(1000)) for _ in range(50)]
        assert sent[0]
        assert sent.count(False) == a.peer.media_dropped > 40
        with pytest.raises(PeerError, match="16384 at most"):
            a.peer.send_media(bytes(MAX_MEDIA + 1))
        with pytest.raises(PeerError) as caught:
            await a.peer.send_control(bytes(MAX_CONTROL + 1))
        assert caught.value.code == "too_large"


async def test_control_messages_wait_until_the_buffer_has_room(url):
    async with two(url) as (a, b):
        channel, most = a.peer._channels._channels["control"], 0
        for _ in range(30):
            await a.peer.send_control(bytes(16_000))
            most = max(most, channel.bufferedAmount)
        assert most <= 33_000  # At most one message over the limit, never all 480 KB.
        await until(lambda: len(b.control) == 30)


async def test_closing_is_noticed_at_once_and_ends_sending(url):
    async with two(url) as (a, b):
        await a.peer.close()
        await asyncio.wait_for(b.peer.closed.wait(), PATIENCE)
        assert (a.peer.reason, b.peer.reason, b.peer.state) == ("closed", "lost", "closed")
        assert b.peer.send_media(b"x") is False
        for side in (a, b):
            with pytest.raises(PeerError) as caught:
                await side.peer.send_control(b"x")
            assert caught.value.code == "closed"


async def test_bye_ends_the_call(url):
    async with two(url) as (a, b):
        await a.client.send(BYE)
        await asyncio.wait_for(b.peer.closed.wait(), PATIENCE)
        assert b.peer.reason == "bye"


async def test_new_connection_over_the_same_room(url):
    """Either peer may reconnect, whether or not the other has noticed that the old connection is dead."""
    async with two(url) as (a, b):
        for starter, other in ((a, b), (b, a)):
            old = other.peer
            starter.peer._end("ice_failed")  # As when the network is lost: the other peer may not notice.
            starter.peer = Peer(ICE, starter.media.append, starter.control.append)
            renewed = asyncio.create_task(starter.connect())
            await asyncio.wait_for(old.leaving.wait(), PATIENCE)
            assert old.reason in ("restart", "lost")
            await old.release()
            other.peer = Peer(ICE, other.media.append, other.control.append)
            await asyncio.gather(other.connect(), renewed)
            await old.close()
        a.peer.send_media(b"again")
        await until(lambda: b.media == [b"again"])


async def test_another_peer_can_take_the_place(url):
    async with SignalingClient(url, "r") as first:
        for _ in range(2):
            async with SignalingClient(url, "r") as second:
                a, b = Side(first), Side(second)
                await asyncio.gather(a.connect(), b.connect())
                await b.peer.close()
            await asyncio.wait_for(a.peer.closed.wait(), PATIENCE)
            await a.peer.close()


async def test_peer_that_vanishes_during_negotiation(url):
    async with SignalingClient(url, "r") as first:
        a = Side(first)
        waiting = asyncio.create_task(a.connect())
        async with SignalingClient(url, "r") as gone:
            await asyncio.wait_for(gone.receive(), PATIENCE)
            gone._reader.cancel()
            await gone._socket.close()  # No bye, and it doesn't come back: it crashed.
            await asyncio.sleep(0.1)
            async with SignalingClient(url, "r") as second:
                b = Side(second)
                await asyncio.gather(b.connect(), waiting)
                await asyncio.gather(a.peer.close(), b.peer.close())


async def test_records_have_no_explicit_nonce_and_consent_checks_are_less_frequent(url):
    async with two(url) as (a, b):
        for side in (a, b):
            assert "CHACHA20" in side.peer._pc.sctp.transport._ssl.get_cipher_name()
        assert ice.CONSENT_INTERVAL > 5
        # RFC 7675: consent expires after 30 s. aioice varies the interval by a fifth; the wait doubles with each repeat.
        waited = ice_checks.CONSENT * (2**ice_checks.CONSENT_TRIES - 1)
        assert ice.CONSENT_FAILURES * (1.2 * ice.CONSENT_INTERVAL + waited) <= 30.01


async def test_a_connection_that_was_left_still_carries_messages(url):
    async with two(url) as (a, b):
        a.peer.leave("silent")
        await a.peer.release()
        assert (a.peer.reason, a.peer.closed.is_set()) == ("silent", False)
        assert a.peer.send_media(b"still")
        assert b.peer.send_media(b"here")
        await until(lambda: (a.media, b.media) == ([b"here"], [b"still"]))
        assert a.peer.quiet() < 1


async def test_dead_network_is_noticed(url, monkeypatch):
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr(ice, "CONSENT_FAILURES", 2)
    monkeypatch.setattr(ice_checks, "CONSENT", 0.1)
    async with two(url) as (a, b):
        for protocol in b.peer._pc.sctp.transport.transport.iceGatherer._connection._protocols:
            protocol.datagram_received = lambda data, addr: None  # b's cable is cut.
        await asyncio.wait_for(a.peer.closed.wait(), PATIENCE)
        assert a.peer.reason in ("lost", "ice_failed")


async def test_timeout_and_no_second_use(url):
    async with SignalingClient(url, "r") as client:
        peer = Side(client)
        with pytest.raises(PeerError) as caught:
            await peer.connect(timeout=0.2)
        assert caught.value.code == "timeout"
        with pytest.raises(RuntimeError, match="once"):
            await peer.connect()
        cancelled = Side(client)
        task = asyncio.create_task(cancelled.connect())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cancelled.peer.state == "closed"


async def test_signaling_lost_before_and_after(url):
    async with SignalingClient(url, "r") as client:
        side = Side(client)
        task = asyncio.create_task(side.connect())
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(PeerError) as caught:
            await task
        assert caught.value.code == "signaling"
    async with two(url) as (a, b):
        await a.client._socket.close()  # No bye: a connection lives on without signaling.
        await asyncio.sleep(0.3)
        a.peer.send_media(b"still here")
        await until(lambda: b.media == [b"still here"])


async def offer_with(change):
    pc = RTCPeerConnection(ICE.to_aiortc())
    pc.createDataChannel("control")
    await pc.setLocalDescription(await pc.createOffer())
    sdp = pc.localDescription.sdp
    await pc.close()
    return RTCSessionDescription(change(sdp), "offer")


async def answered(url, description, seconds):
    """(error code of a peer that receives ``description``, the peer's task that reads signaling)"""
    async with SignalingClient(url, "r") as hostile, SignalingClient(url, "r") as client:
        side = Side(client)
        task = asyncio.create_task(side.connect(seconds))
        while not isinstance(await hostile.receive(), Ready):
            pass
        follower = side.peer._follower
        await hostile.send(description)
        with pytest.raises(PeerError) as caught:
            await task
        return caught.value.code, follower


@pytest.mark.parametrize(
    "change",
    [
        lambda sdp: "x",
        lambda sdp: sdp.replace("m=application", "m=video"),
        lambda sdp: sdp + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        lambda sdp: sdp.replace("a=ice-ufrag", "a=nothing"),
        lambda sdp: sdp.replace("a=ice-pwd", "a=nothing"),
        lambda sdp: sdp.replace("a=sctp-port:5000", "a=sctp-port:x"),
        lambda sdp: sdp.replace("a=setup:actpass", "a=setup:what"),
        lambda sdp: sdp + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 100,
        lambda sdp: sdp + "a=candidate:1 1 udp one 192.0.2.1 9 typ host\r\n",
    ],
)
async def test_a_hostile_offer_is_refused_at_once(url, change):
    code, follower = await answered(url, await offer_with(change), PATIENCE)
    assert code == "bad_description"
    assert follower.exception() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda sdp: sdp.replace("a=fingerprint", "a=nothing"),  # DTLS will refuse any peer
        lambda sdp: sdp.replace("sha-256", "sha-999"),
        lambda sdp: sdp.replace("a=mid:", "a=mid:\x00"),
        lambda sdp: sdp.replace("a=max-message-size:65536", "a=max-message-size:-1"),
    ],
)
async def test_an_odd_offer_ends_the_attempt_without_an_exception(url, change):
    code, follower = await answered(url, await offer_with(change), 1)
    assert code in ("timeout", "ice_failed", "lost")
    assert follower.cancelled() or follower.exception() is None, "the task must have read until it was cancelled"


async def test_foreign_channels_and_text_are_refused(url):
    async with SignalingClient(url, "r") as foreign, SignalingClient(url, "r") as client:
        side = Side(client)
        task = asyncio.create_task(side.connect())
        pc = RTCPeerConnection(ICE.to_aiortc())
        reliable_media = pc.createDataChannel("media")
        stranger = pc.createDataChannel("stranger")
        media = pc.createDataChannel("media", ordered=False, maxRetransmits=0)
        control = pc.createDataChannel("control")
        await pc.setLocalDescription(await pc.createOffer())
        while not isinstance(await foreign.receive(), Ready):
            pass
        await foreign.send(pc.localDescription)
        while not isinstance(answer := await foreign.receive(), RTCSessionDescription):
            pass
        await pc.setRemoteDescription(answer)
        await task
        await until(lambda: control.readyState == media.readyState == "open")
        media.send("text")
        media.send(bytes(MAX_MEDIA + 1))
        media.send(b"good")
        control.send(b"fine")
        await until(lambda: side.media and side.control)
        assert (side.media, side.control) == ([b"good"], [b"fine"])
        await until(lambda: reliable_media.readyState == stranger.readyState == "closed")
        assert side.peer.state == "connected"
        await asyncio.gather(pc.close(), side.peer.close())


async def test_failing_callback_does_not_end_the_call(url, caplog):
    async with two(url) as (a, b):
        b.peer._channels._callbacks["media"] = (lambda data: 1 / 0, MAX_MEDIA)
        a.peer.send_media(b"x")
        await a.peer.send_control(b"y")
        await until(lambda: b.control == [b"y"] and "callback failed" in caplog.text)
        assert b.peer.state == "connected"


def test_loopback_is_used_only_without_a_network(monkeypatch):
    monkeypatch.setattr(loopback, "_gathered", lambda use_ipv4, use_ipv6: [])
    assert loopback.host_addresses() == ["127.0.0.1"]
    monkeypatch.setattr(loopback, "_gathered", lambda use_ipv4, use_ipv6: ["192.0.2.7"])
    assert loopback.host_addresses() == ["192.0.2.7"]


async def test_sending_after_the_end_raises_a_typed_error(url):
    async with SignalingClient(url, "r") as client:
        pass
    with pytest.raises(SignalingError) as caught:
        await client.send(BYE)
    assert caught.value.code == "closed"
