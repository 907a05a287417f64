"""The two data channels of a call and their limits: ``media`` (unordered, no retransmission) and
``control`` (reliable)."""

import asyncio
import logging
from collections.abc import Callable

from aiortc import RTCDataChannel, RTCPeerConnection
from aiortc.exceptions import InvalidStateError

from signaling.transport.patches import sctp_queue

log = logging.getLogger(__name__)

MAX_MEDIA = 16_384
"""Bytes of the largest message on the media channel, in and out."""
MAX_CONTROL = 65_536
"""Bytes of the largest message on the control channel, in and out."""
MEDIA_LIMIT = 1024
"""Bytes that may wait in the media channel: three or four bundles. More would be late anyway, and is
dropped."""
CONTROL_HIGH = 16_384
"""Bytes waiting in the control channel at which ``send_control`` begins to wait."""
CONTROL_LOW = 4096
"""Bytes waiting there at which it continues."""


class PeerError(Exception):
    """The connection failed or cannot carry a message. ``code``: ``timeout``, ``ice_failed``,
    ``bad_description``, ``bye``, ``lost``, ``restart``, ``closed``, ``signaling``, ``too_large``;
    the text explains it in one line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Channels:
    """Both channels of one connection, whichever peer created them. ``opened`` is set once both can be used."""

    def __init__(
        self,
        on_media: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        on_lost: Callable[[], None],
        media_limit: int = MEDIA_LIMIT,
    ) -> None:
        """The callbacks run on the event loop: ``on_media`` and ``on_control`` with each message,
        ``on_lost`` when the peer has closed a channel. ``media_limit``: bytes that may wait before
        media is dropped."""
        self.opened = asyncio.Event()
        self.media_dropped = 0
        self._callbacks = {"media": (on_media, MAX_MEDIA), "control": (on_control, MAX_CONTROL)}
        self._on_lost = on_lost
        self._media_limit = media_limit
        self._channels: dict[str, RTCDataChannel] = {}
        self._early: list[bytes] = []  # control messages that came before both channels were open
        self._drained = asyncio.Event()
        self._sending = asyncio.Lock()
        self._over = False
        self._pushing: asyncio.Task[None] | None = None

    def make(self, connection: RTCPeerConnection) -> None:
        """Create both channels, before the offer is made; only the offering peer does this."""
        self._adopt(connection.createDataChannel("media", ordered=False, maxRetransmits=0))
        self._adopt(connection.createDataChannel("control"))

    def accept(self, channel: RTCDataChannel) -> None:
        """Accept a channel that the peer created; any but the two, or one with another reliability, is closed."""
        reliable = channel.ordered and channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        lossy = not channel.ordered and channel.maxRetransmits == 0
        fits = {"media": lossy, "control": reliable}.get(channel.label, False)
        if fits and channel.label not in self._channels:
            self._adopt(channel)
        else:
            log.warning("peer: an unexpected data channel was closed")
            channel.close()

    def forget(self) -> None:
        """Drop the channels of a connection that is given up for another one."""
        self._channels.clear()
        self._early.clear()

    def end(self) -> None:
        """Stop sending; callers that wait in ``send_control`` get a ``PeerError``."""
        self._over = True
        self._drained.set()

    def send_media(self, data: bytes) -> bool:
        """See ``Peer.send_media``."""
        if len(data) > MAX_MEDIA:
            raise PeerError("too_large", f"a media message of {len(data)} bytes; {MAX_MEDIA} at most")
        channel = self._channels.get("media")
        if self._over or channel is None or channel.readyState != "open":
            self.media_dropped += 1
            return False
        if channel.bufferedAmount > self._media_limit:
            self.media_dropped += 1
            self._push(channel)
            return False
        try:
            channel.send(data)
        except ValueError:  # the peer's description allows no message of this size
            self.media_dropped += 1
            return False
        sctp_queue.go_first(channel)
        return True

    def _push(self, channel: RTCDataChannel) -> None:
        """Make aiortc process its queue: after its timer it does so only when something more is
        sent."""
        if self._pushing is None or self._pushing.done():
            self._pushing = sctp_queue.flush(channel)

    @property
    def control_waits(self) -> bool:
        """Whether something waits to be handed to SCTP."""
        channel = self._channels.get("control")
        return channel is not None and channel.bufferedAmount > 0

    async def send_control(self, data: bytes) -> None:
        """See ``Peer.send_control``."""
        if len(data) > MAX_CONTROL:
            raise PeerError("too_large", f"a control message of {len(data)} bytes; {MAX_CONTROL} at most, send chunks")
        async with self._sending:
            channel = self._channels.get("control")
            if channel is None or not self.opened.is_set():
                raise PeerError("closed", "the control channel is not open")
            while channel.bufferedAmount > CONTROL_HIGH and not self._over:
                self._drained.clear()
                await self._drained.wait()
            try:
                if self._over:
                    raise InvalidStateError
                channel.send(data)
            except InvalidStateError:
                raise PeerError("closed", "the control channel is closed") from None
            except ValueError:
                raise PeerError("too_large", f"the peer takes no message of {len(data)} bytes") from None

    def _adopt(self, channel: RTCDataChannel) -> None:
        label = channel.label

        def closed() -> None:
            if self._channels.get(label) is channel:
                self._on_lost()

        self._channels[label] = channel
        if label == "control":
            channel.bufferedAmountLowThreshold = CONTROL_LOW
            channel.on("bufferedamountlow", self._drained.set)
        channel.on("open", self._check_open)
        channel.on("message", lambda data: self._received(label, data))
        channel.on("close", closed)
        self._check_open()

    def _check_open(self) -> None:
        if len(self._channels) == 2 and all(channel.readyState == "open" for channel in self._channels.values()):
            self.opened.set()
            early, self._early = self._early, []
            for data in early:
                self._received("control", data)

    def _received(self, label: str, data: bytes | str) -> None:
        callback, limit = self._callbacks[label]
        if not isinstance(data, bytes) or len(data) > limit:
            log.debug("peer: %s message skipped: text, or too large", label)
            return
        if label == "control" and not self.opened.is_set():
            # If the packet that opens the other channel was lost, it comes later; until then no answer can be sent.
            self._early.append(data)
            if sum(map(len, self._early)) > MAX_CONTROL:
                self._on_lost()
            return
        try:
            callback(data)
        except Exception:
            # If it were raised further, it would end aiortc's receive task, and the call with it.
            log.exception("peer: the %s callback failed", label)
