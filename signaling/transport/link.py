"""The connection to the other peer in the room, replaced whenever it is lost.

aiortc has no ICE restart and takes half a minute to notice that a network is dead. So a connection
is replaced if it was quiet for :data:`QUIET` seconds although packets were sent, while the signaling
server can be reached. The new one is negotiated over the signaling socket. Until it is up, the old
one carries what it can, because its network may come back first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.protocol import SignalingError
from signaling.transport.channels import PeerError
from signaling.transport.patches.ice_gathering import LONGEST_TURN, turn_seconds
from signaling.transport.peer import Peer

log = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
"""Seconds for one attempt at the first connection."""
RENEW_SECONDS = 6.0
"""Seconds for one attempt to renew a connection: when the network is back, ICE's own next try may be
seconds away."""
RENEW_TURN_SECONDS = 1.5
"""Seconds that a TURN server has to answer then."""
QUIET = 2.0
"""Seconds without a datagram. The quietest call has one every 0.4 s."""
UNANSWERED = 5
"""Datagrams that must have been sent during :data:`QUIET` seconds without an answer."""
UNANSWERED_LONG = 3
"""Datagrams that must have been sent during twice that time: while the first keyframe is being sent,
little else is."""
ALIVE_SECONDS = 1.0
"""How long the signaling server may take to answer a ping."""


class Link:
    """Makes one :class:`signaling.transport.peer.Peer` after another.

    Attributes:
        peer: the connection that carries messages now, if any; it may be dead, or be replaced at any time.
        connected: set while a connection is up.
        trouble: why the last attempt failed, "" after a successful one.
        session: the signaling server's label of the peer that the newest connection led to, "" before the first.
    """

    def __init__(
        self, ice: IceConfig, on_media: Callable[[bytes], None], on_control: Callable[[Peer, bytes], None],
        on_connected: Callable[[], Awaitable[None]], on_bye: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """``on_media``, ``on_control``: see :class:`Peer`; ``on_control`` is also called with the
        ``Peer`` to answer, perhaps before :attr:`peer` is that one. ``on_connected``: awaited when a
        new connection is up. ``on_bye``: called when the other peer, once connected, hangs up over
        signaling: a bye over a bad connection may be lost."""
        self.peer: Peer | None = None
        self.connected = asyncio.Event()
        self.trouble = self.session = ""
        self._ice, self._on_media, self._on_control, self._on_connected = ice, on_media, on_control, on_connected
        self._on_bye = on_bye
        self._closed_total = (0, 0, 0.0)
        self._connected_before = False
        self._failures = 0

    async def keep(self, client: SignalingClient) -> None:
        """Connect, and connect again whenever a connection ends; runs until cancelled. Raises
        ``SignalingError`` when signaling ends while there is no connection."""
        while True:
            if not await client.wait_for_peer():
                # The peer hung up just as the connection was dropped as dead.
                if self._connected_before:
                    self._on_bye()
                continue
            session = client.peer.peer
            ice = IceConfig(servers=(*self._ice.servers, *client.ice.servers)[:8])
            peer = self._make(ice.with_turn(self._failures))
            turn_seconds.set(RENEW_TURN_SECONDS if self._connected_before else LONGEST_TURN)
            try:
                await peer.connect(client, RENEW_SECONDS if self._connected_before else CONNECT_SECONDS)
            except PeerError as error:
                self._keep_count(peer)
                self._failures += error.code in ("timeout", "ice_failed")
                if error.code == "signaling":
                    raise SignalingError("lost", str(error)) from error
                if str(error) != self.trouble:
                    # bye and lost are no errors: the other peer hung up or restarted while we connected.
                    log.log(logging.INFO if error.code in ("bye", "lost") else logging.ERROR, "%s; trying again", error)
                self.trouble = str(error)
                if error.code == "bye" and self._connected_before:
                    self._on_bye()
                await asyncio.sleep(0.2)
                continue
            old, self.peer, self._connected_before, self.trouble = self.peer, peer, True, ""
            self.session = session or self.session
            if old:
                self._keep_count(old)
                await old.close("replaced")
            self.connected.set()
            client.spare = True
            try:
                await self._on_connected()
            except PeerError as error:
                log.info("the connection ended immediately: %s", error)
            await self._until_it_ends(peer, client)
            self.connected.clear()
            client.spare = False

    def _make(self, ice: IceConfig) -> Peer:
        peer = Peer(ice, self._on_media, lambda data: self._on_control(peer, data))
        return peer

    async def _until_it_ends(self, peer: Peer, client: SignalingClient) -> None:
        watch = asyncio.create_task(self._watch(peer, client))
        try:
            await peer.leaving.wait()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        log.info("connection over: %s", peer.reason)
        if peer.reason == "bye":
            self._on_bye()
        if peer.closed.is_set():
            self.peer = None
            self._keep_count(peer)
            await peer.close()
        else:
            await peer.release()

    async def _watch(self, peer: Peer, client: SignalingClient) -> None:
        """Leave a connection on which nothing arrives any more, if another can be negotiated."""
        while True:
            await asyncio.sleep(QUIET / 8)
            with contextlib.suppress(SignalingError):
                if not (self._dead(peer) and client.peer.present):
                    continue
                if await client.alive(ALIVE_SECONDS) and self._dead(peer):
                    peer.leave("silent")
                    return

    @staticmethod
    def _dead(peer: Peer) -> bool:
        """Whether nothing has arrived for long enough, although this side has sent enough to expect
        an answer."""
        quiet = peer.quiet() / QUIET
        return quiet > 1 and peer.unanswered >= (UNANSWERED if quiet < 2 else UNANSWERED_LONG)

    def _keep_count(self, peer: Peer) -> None:
        wire, (out, into, seconds) = peer.wire(), self._closed_total
        self._closed_total = (out + wire.bytes_out, into + wire.bytes_in, seconds + wire.seconds)

    async def close(self) -> None:
        """End the connection, if there is one."""
        peer, self.peer = self.peer, None
        self.connected.clear()
        if peer:
            self._keep_count(peer)
            await peer.close()

    def wire_total(self) -> tuple[int, int, float]:
        """(bytes out, bytes in, seconds) over all connections so far, with all headers from IP up."""
        out, into, seconds = self._closed_total
        if self.peer:
            wire = self.peer.wire()
            out, into, seconds = out + wire.bytes_out, into + wire.bytes_in, seconds + wire.seconds
        return out, into, seconds

    def round_trip(self) -> float:
        """Smoothed round-trip time of the data channels, in seconds; 0 while unknown."""
        return self.peer.round_trip() if self.peer else 0.0
