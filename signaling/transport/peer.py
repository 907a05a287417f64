"""The connection to the other peer: offer and answer over signaling, two data channels, and their bytes on the wire."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from aiortc import RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.signaling import SignalingBye

from codec.safety_code import fingerprint
from signaling.client import Event, SignalingClient
from signaling.config import IceConfig
from signaling.protocol import Presence, Ready, SignalingError
from signaling.transport import patches, sdp
from signaling.transport.channels import MEDIA_LIMIT, Channels, PeerError
from signaling.transport.patches import sctp_queue
from signaling.transport.patience import patience as patience_for
from signaling.transport.wire_meter import Pings, WireCount, WireMeter

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 3.0
"""Seconds that closing a connection may take."""

ASK_EVERY = 0.01
"""Seconds between two checks whether something was acknowledged."""

_EXPLAINED = {
    "timeout": "no connection to the other peer within {timeout:g} s",
    "ice_failed": "no network path to the other peer was found: a TURN server would help",
    "bad_description": "the other peer sent an offer or answer that cannot be used",
    "bye": "the other peer hung up",
    "lost": "the other peer closed the connection",
    "signaling": "the signaling server was lost before the peers were connected",
}


class Peer:
    """One connection to the other peer of a room. It connects once; when it is over, make a new one
    over the same client (aiortc has no ICE restart).

    Attributes:
        leaving: set when another connection must be made: this one is over, or the other peer starts again (``restart``), or
            :meth:`leave` was called. In the last two cases it still carries messages, as well as it can, until it is closed.
        closed: set when the connection is over, whichever side ended it; ``reason`` then is the cause: ``closed`` (by
            ``close``), ``lost`` (the peer closed it, or the network was silent for about 30 s: aiortc can distinguish these
            only sometimes), ``bye`` (the peer hung up), ``ice_failed`` (no path was found, or as ``lost``), ``timeout``,
            ``bad_description``, ``signaling``; or the reason given to :meth:`leave`.
    """

    def __init__(
        self,
        ice: IceConfig,
        on_media: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        *,
        media_limit: int = MEDIA_LIMIT,
    ) -> None:
        """``on_media`` and ``on_control`` are called on the event loop with each message, at most
        ``MAX_MEDIA`` and ``MAX_CONTROL`` bytes; they must return soon. ``media_limit``: bytes that
        may wait before media is dropped."""
        patches.apply()
        self.closed, self.leaving = asyncio.Event(), asyncio.Event()
        self.reason: str | None = None
        self._ice = ice
        self._channels = Channels(on_media, on_control, lambda: self._end("lost"), media_limit)
        self._meter = WireMeter()
        self._patches: patches.ConnectionPatches | None = None
        self._pc: RTCPeerConnection | None = None
        self._client: SignalingClient | None = None
        self._session = ""
        self._candidates = 0
        self._follower: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """``new``, ``connecting``, ``connected`` (both channels open) or ``closed``."""
        if self.closed.is_set():
            return "closed"
        if self._channels.opened.is_set():
            return "connected"
        return "new" if self._client is None else "connecting"

    @property
    def media_dropped(self) -> int:
        """Messages that ``send_media`` has dropped."""
        return self._channels.media_dropped

    def wire(self) -> WireCount:
        """Everything sent and received since the Peer was made, with IP and UDP headers."""
        return self._meter.count()

    def quiet(self) -> float:
        """Seconds since the last datagram arrived, or since the Peer was made."""
        return self._meter.quiet()

    @property
    def unanswered(self) -> int:
        """Datagrams sent since the last one arrived."""
        return self._meter.unanswered

    def round_trip(self) -> float:
        """Smoothed round-trip time of the data channels in seconds, acknowledgement delay included;
        0 while unknown."""
        return sctp_queue.round_trip(self._pc)

    @property
    def pings(self) -> Pings:
        """Round trips of ICE's checks."""
        return self._meter.pings

    def fingerprints(self) -> tuple[bytes, bytes] | None:
        """SHA-256 of this side's certificate and of the peer's, which DTLS has checked; None while unknown."""
        if self._pc is None or not self._pc.localDescription or not self._pc.remoteDescription:
            return None
        own, other = (fingerprint(d.sdp) for d in (self._pc.localDescription, self._pc.remoteDescription))
        return (own, other) if own and other else None

    async def connect(self, client: SignalingClient, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Negotiate over ``client`` and wait until both channels are open, for ``timeout`` seconds;
        once ICE has found a path, for as long again. This includes waiting for an absent peer
        (``client.wait_for_peer`` waits without limit). Afterwards the Peer keeps reading from
        ``client`` until it closes; nothing else may read from it.

        Raises:
            PeerError: ``timeout``, ``ice_failed``, ``bad_description``, ``bye``, ``lost``, ``signaling``, ``closed``.
            RuntimeError: called a second time.
        """
        if self._client is not None:
            raise RuntimeError("a Peer connects once: make a new one")
        self._client = client
        client.forget()
        self._follower = asyncio.create_task(self._follow(client))
        ends = [asyncio.create_task(event.wait()) for event in (self.closed, self._channels.opened)]
        try:
            await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not any(end.done() for end in ends) and self._pc and self._pc.iceConnectionState == "completed":
                await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            for end in ends:
                end.cancel()
        if self.state == "connected":
            return
        await self.close("timeout")
        assert self.reason is not None
        raise PeerError(self.reason, _EXPLAINED.get(self.reason, "the connection was closed").format(timeout=timeout))

    def send_media(self, data: bytes) -> bool:
        """Send a bundle without waiting: False if it was dropped and counted, because too much is
        waiting already or the channel is not open.

        Raises:
            PeerError: ``too_large``: more than ``MAX_MEDIA`` bytes.
        """
        return self._channels.send_media(data)

    async def send_control(self, data: bytes, *, prompt: bool = True, patience: float = 0.0) -> None:
        """Send reliably and in order; waits while more than ``CONTROL_HIGH`` bytes wait. Bundles
        queue behind what was sent here before them, so send a keyframe in chunks. ``prompt``: the
        peer should acknowledge it at once; if it doesn't within ``patience`` seconds, by default
        some round trips, the message is sent again.

        Raises:
            PeerError: ``too_large`` (more than ``MAX_CONTROL`` bytes) or ``closed``.
        """
        if self._patches:
            acks, usual = self._patches.acks, patience_for(self._meter.pings.round_trip)
            # What is still under way, a large piece on a low-bandwidth link, may need more patience than this message.
            before = acks.patience if acks.ordered_under_way else 0.0
            acks.prompt, acks.patience = prompt, max(patience or usual, before)
        await self._channels.send_control(data)

    async def control_arrived(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until all that was sent on the control channel has been acknowledged; False if that
        takes over ``timeout`` seconds. Raises :class:`PeerError` (``closed``)."""
        end = time.monotonic() + timeout
        await asyncio.sleep(ASK_EVERY)
        while self._channels.control_waits or (self._patches is not None and self._patches.acks.ordered_under_way):
            if self.closed.is_set():
                raise PeerError("closed", "the control channel is closed")
            if time.monotonic() > end:
                return False
            await asyncio.sleep(ASK_EVERY)
        return True

    async def close(self, reason: str = "closed") -> None:
        """End the connection; the peer notices at once. A second call only waits until it has ended."""
        self._end(reason)
        assert self._closer is not None
        await asyncio.shield(self._closer)

    def leave(self, reason: str) -> None:
        """Give up a connection that is no longer useful, without closing it."""
        if not self.leaving.is_set():
            self.reason = reason
            self.leaving.set()

    async def release(self) -> None:
        """Stop reading signaling, so that another Peer can; the connection stays open. Call it once
        :attr:`leaving` is set."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        self.leaving.set()
        self._channels.end()
        # Sockets are freed at once, although the caller's close() may come later or never.
        self._closer = asyncio.get_running_loop().create_task(self._free())

    async def _free(self) -> None:
        await self.release()
        pc, self._pc = self._pc, None
        self._settle()
        if pc is not None:
            await _shut(pc)

    def _settle(self) -> None:
        """Stop all repetition of packets."""
        if self._patches:
            self._patches.end()

    async def _follow(self, client: SignalingClient) -> None:
        """Read signaling for as long as the Peer exists: to negotiate, then to notice that the other
        peer hangs up or starts again."""
        try:
            await self._begin(client)
            while not self.leaving.is_set():
                event = await client.receive()
                if self._channels.opened.is_set():
                    await self._watch(client, event)
                else:
                    await self._negotiate(client, event)
        except sdp.DescriptionError as error:
            log.warning("peer: %s", error)
            self._end("bad_description")
        except SignalingError as error:
            log.info("peer: signaling ended: %s", error)
            # An open connection no longer needs signaling.
            if not self._channels.opened.is_set():
                self._end("signaling")

    async def _begin(self, client: SignalingClient) -> None:
        """Start (again) with a fresh connection: offer, or ask for an offer."""
        old, self._pc = self._pc, None
        self._settle()
        self._channels.forget()
        self._candidates = 0
        if old is not None:
            await _shut(old)
        if not client.peer.present:
            return
        self._session = client.peer.peer
        self._pc = pc = RTCPeerConnection(self._ice.to_aiortc())
        pc.on("connectionstatechange", lambda: self._state_changed(pc))
        pc.on("datachannel", self._channels.accept)
        # While the socket is being opened again, nothing is sent; a new Presence then repeats this.
        with _unless_lost():
            if client.peer.offer:
                self._channels.make(pc)
                await pc.setLocalDescription(await pc.createOffer())
                self._attach(pc)
                await client.send(pc.localDescription)
            else:
                await client.send(Ready())

    async def _negotiate(self, client: SignalingClient, event: Event) -> None:
        pc = self._pc
        if isinstance(event, Presence):
            # It is another peer, or the same one is back: what was exchanged is void.
            await self._begin(client)
        elif isinstance(event, SignalingBye):
            self._end("bye")
        elif pc is None:
            return
        elif isinstance(event, Ready):
            if client.peer.offer and pc.signalingState == "stable":
                await self._begin(client)  # It had answered, then failed, and waits for another offer.
        elif isinstance(event, RTCIceCandidate):
            await self._add(pc, event)
        elif event.type == "offer" and not client.peer.offer:
            if pc.remoteDescription is not None:
                await self._begin(client)
            await self._answer(client, event)
        elif event.type == "answer" and pc.signalingState == "have-local-offer":
            sdp.check(event.sdp, {"application": 1})
            await sdp.apply(pc, event)

    async def _answer(self, client: SignalingClient, offer: RTCSessionDescription) -> None:
        pc = self._pc
        if pc is None:
            return
        sdp.check(offer.sdp, {"application": 1})
        await sdp.apply(pc, offer)
        await pc.setLocalDescription(await pc.createAnswer())
        self._attach(pc)
        with _unless_lost():
            await client.send(pc.localDescription)

    def _attach(self, pc: RTCPeerConnection) -> None:
        """Once a connection has its sockets: count their datagrams, and apply the patches of this connection."""
        self._meter.attach(pc)
        if pc.sctp is not None:
            self._patches = patches.ConnectionPatches(pc, lambda: self._meter.pings.round_trip)

    async def _watch(self, client: SignalingClient, event: Event) -> None:
        """While connected: notice only that the other peer hangs up or starts again."""
        if isinstance(event, SignalingBye):
            self._end("bye")
        elif isinstance(event, Ready) or (isinstance(event, Presence) and event.present and event.peer != self._session):
            self.leave("restart")
        elif isinstance(event, RTCSessionDescription) and event.type == "offer":
            await client.put_back(event)
            self.leave("restart")

    async def _add(self, pc: RTCPeerConnection, candidate: RTCIceCandidate) -> None:
        self._candidates += 1
        if self._candidates > sdp.MAX_CANDIDATES or pc.remoteDescription is None:
            return
        try:
            await pc.addIceCandidate(candidate)
        except Exception as error:  # Whatever aiortc raises for it: the other candidates may work.
            log.info("peer: candidate skipped: %s", error)

    def _state_changed(self, pc: RTCPeerConnection) -> None:
        if pc is self._pc and pc.connectionState in ("failed", "closed"):
            self._end("ice_failed" if pc.connectionState == "failed" else "lost")


class _unless_lost(contextlib.AbstractContextManager[None]):
    """Continue if the signaling socket was lost while sending; the client joins again by itself."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, SignalingError) and error.code == "lost"


async def _shut(pc: RTCPeerConnection) -> None:
    """Close, with a time limit: aiortc's close waits for tasks that hang on a dead network."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(pc.close(), CLOSE_TIMEOUT)
