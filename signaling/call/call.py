"""A call: one outgoing stream, one incoming, or both, over connections that may come and go. The
packages below do not deal with the network."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from codec.bundle import Bundle, Report
from codec.bundle_pair import split_bundles
from codec.control import (
    VERSION,
    Bye,
    Hello,
    KeyframeChunk,
    KeyframeNotice,
    SafetyCommitment,
    SafetyNumber,
    Verb,
    parse_message,
)
from codec.errors import CodecError
from codec.media.types import UInt8
from receiver.player import Player
from sender.adaptation.congestion import QueueWatch
from sender.adaptation.ladder import Ladder
from sender.adaptation.redundancy import Redundancy
from sender.adaptation.workload import Workload
from sender.capture.sources import Source, Tick
from sender.keyframes.mirror import Mirror
from sender.self_view import Preview
from sender.stream import SWITCH_MS, SenderStream
from signaling.call.keyframe_transfer import KeyframesIn, KeyframesOut
from signaling.call.pacing import Pacer
from signaling.call.pairing import Pairing, messages
from signaling.call.safety import Safety
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.protocol import SignalingError
from signaling.transport.channels import PeerError
from signaling.transport.link import Link
from signaling.transport.peer import Peer

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.4
"""Seconds between two reports of a side that sends nothing else: each costs 92 bytes, plus 85 for the SACK."""
SENT_KEPT = 64
"""Bundles whose send times are kept, to measure the round trip to the report about them."""


class Call:
    """Drives a :class:`SenderStream` from a source, and a :class:`Player` from the wire."""

    def __init__(
        self, ice: IceConfig, source: Source | None = None, stream: SenderStream | None = None,
        player: Player | None = None, preview: Preview | None = None, ladder: Ladder | None = None,
        mirror: Mirror | None = None, limit_kbps: float = 12.0,
    ) -> None:  # fmt: skip
        """``ladder``: chooses the stream's tick mode and bit rate; if None, they never change.
        ``mirror``: proposes other keyframes, sent as ``limit_kbps`` on the wire leaves room."""
        self.mirror, self._pacer = mirror, Pacer(limit_kbps)
        self.ladder = ladder
        self._queue, self._redundancy, self._workload = QueueWatch(), Redundancy(), Workload()
        self._sent_at: dict[int, float] = {}
        self._pairing = Pairing()
        self._takes_pairs: Peer | None = None
        self.source, self.stream, self.player, self.preview = source, stream, player, preview
        self.link = Link(ice, self._media, self._queue_control, self._greet, self._left)
        self.safety = Safety()
        self.over = asyncio.Event()
        self.remote: Hello | None = None
        self.ended_by_remote = False
        self.on_bundle: Callable[[Bundle, float, float], None] | None = None
        self._pool = ThreadPoolExecutor(1, "encode")
        self._keyframes_out = KeyframesOut(stream.keyframes.gallery) if stream else None
        self._keyframes_in = KeyframesIn(player.keyframe) if player else None
        self._control: asyncio.Queue[tuple[Peer, bytes]] = asyncio.Queue(256)
        self._report: Report | None = None
        self._reports_sent, self._session = 0, ""
        self.errors = 0

    # -- the connection -------------------------------------------------------------------------------------------

    async def run(self, client: SignalingClient) -> None:
        """Run until either side hangs up or the source ends. Raises ``SignalingError`` if the room can't be joined."""
        tasks = [asyncio.create_task(self._handle_control())]
        tasks.append(asyncio.create_task(self._send() if self.source and self.stream else self._send_reports()))
        connect = asyncio.create_task(self.link.keep(client))
        over = asyncio.create_task(self.over.wait())
        try:
            done, _ = await asyncio.wait([*tasks, connect, over], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._say_bye()
        finally:
            for task in (*tasks, connect, over):
                task.cancel()
            await asyncio.gather(*tasks, connect, over, return_exceptions=True)
            if self._keyframes_out:
                self._keyframes_out.close()
            await self.link.close()
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def peer(self) -> Peer | None:
        """The connection that carries messages now, if any."""
        return self.link.peer

    @property
    def connected(self) -> asyncio.Event:
        """Set while the other peer is connected."""
        return self.link.connected

    async def _greet(self) -> None:
        """A new connection is up: what was exchanged on the previous one is void."""
        if self.player and self._session not in ("", self.link.session):
            self.player.forget()
        self._report, self._session = None, self.link.session
        if self._keyframes_out:
            self._keyframes_out.reconnected()
        self._sent_at.clear()
        self._pairing.drop()
        self._queue.restarted(time.monotonic(), self.peer.pings.round_trip if self.peer else 0.0)
        self._redundancy.restarted()
        if self.ladder:
            self.ladder.restarted(time.monotonic())
        if self.stream:  # in the thread that encodes, which owns the stream
            await asyncio.get_running_loop().run_in_executor(self._pool, self.stream.reconnected)
        if self.peer:
            await self.peer.send_control(Hello(model="call").pack())
            await self.safety.begin(self.peer)
            await self._offer_keyframes()

    async def _say_bye(self) -> None:
        if self.peer and not self.ended_by_remote:
            try:
                async with asyncio.timeout(2):
                    await self.peer.send_control(Bye().pack())
                    await asyncio.sleep(0.2)
            except (PeerError, TimeoutError):  # the peer may be gone already: hanging up must not fail
                log.debug("bye was not delivered", exc_info=True)

    def _left(self) -> None:
        """The other peer hung up."""
        self.ended_by_remote = True
        self.hang_up()

    def hang_up(self) -> None:
        """End the call; :meth:`run` returns."""
        self.over.set()

    # -- outgoing -------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        assert self.source is not None
        assert self.stream is not None
        assert self._keyframes_out is not None
        loop = asyncio.get_running_loop()
        await self._look_ahead()
        self.source.on_frame = self._look_early
        served = self.peer
        while True:
            self._apply_step()
            if (tick := await self.source.tick()) is None:
                break
            acknowledged, self._report = self._report, None
            report = self.player.report() if self.player else None
            skip = self._keyframes_out.hold_bundles
            bundle = await loop.run_in_executor(self._pool, self._encode, tick, acknowledged, report, skip)
            if self.stream.framing.hidden:
                self._keyframes_out.withhold()
            if bundle:
                now = time.monotonic()
                self.stream.every_frame = self._workload.sent(now - tick.captured, now)
            if served is not self.peer:
                self._pairing.drop()
            served = self.peer
            if served and (going := self._pairing.put(bundle, self._paired)):
                await self._send_bundles(served, going)
            if self.on_bundle and bundle:
                self.on_bundle(bundle, tick.captured, time.monotonic())
            if self.preview:
                self.preview.bundle(bundle, dict(self.stream.keyframes.gallery.keyframes))
        if self.peer and self.peer is served and (last := self._pairing.put(None, False)):
            await self._send_bundles(self.peer, last)
        await asyncio.sleep(1.0)  # the peer still plays what is under way

    @property
    def _paired(self) -> bool:
        """Whether two bundles share a message: on low-bandwidth links, if the peer's hello says that it supports that."""
        return self.ladder is not None and self.ladder.step.paired and self._takes_pairs is self.peer

    async def _send_bundles(self, peer: Peer, bundles: list[Bundle]) -> None:
        """Send one bundle, or two in a message, together with a keyframe's piece if there is room."""
        assert self._keyframes_out is not None
        budget = self._pacer.room(self.link.wire_total()[0], time.monotonic())
        await self._keyframes_out.send_piece(peer, 0 if self._queue.filling else budget)
        for message in messages(bundles):
            peer.send_media(message)
        self._sent_at |= dict.fromkeys((bundle.number for bundle in bundles), time.monotonic())
        while len(self._sent_at) > SENT_KEPT:
            del self._sent_at[next(iter(self._sent_at))]
        await self._offer_keyframes()

    def _look_early(self, frame: UInt8) -> None:
        assert self.stream is not None
        self._pool.submit(self.stream.look_early, frame)

    async def _look_ahead(self) -> None:
        """While waiting for the peer, look at the source, so that a keyframe can be sent as soon as
        the peer is connected."""
        assert self.source is not None
        assert self.stream is not None
        loop = asyncio.get_running_loop()
        while not (self.connected.is_set() and self.source.live) and (tick := await self.source.glimpse()) is not None:
            await loop.run_in_executor(self._pool, self.stream.candidates, tick)
        await self.connected.wait()
        await loop.run_in_executor(self._pool, self.stream.choose_early)
        await self._offer_keyframes()

    def _apply_step(self) -> None:
        """Apply the ladder's step. Called between ticks, while the encoder is idle."""
        if self.ladder:
            self._pacer.carried(self.ladder.proven(time.monotonic()).kbps)
        if self.ladder and self.stream and self.source and self.stream.at_ms % SWITCH_MS == 0:
            step = self.ladder.step
            self.stream.set_tick_mode(step.tick_mode, max(step.bitrate, self.stream.config.bitrate))
            self.source.tick_ms = self.stream.tick_ms

    def _encode(self, tick: Tick, acknowledged: Report | None, report: Report | None, skip: bool) -> Bundle | None:
        """Encode one tick. ``skip``: send nothing of it."""
        assert self.stream
        stream, mirror, at_ms = self.stream, self.mirror, self.stream.at_ms
        if acknowledged:
            stream.acknowledge(acknowledged)
        if mirror and (advice := mirror.advice()):
            if advice.slot is not None:
                stream.keyframes.use(advice.slot)
            elif advice.keyframe:
                stream.keyframes.set(advice.keyframe)
        bundle = None
        if skip:
            stream.skip(tick)
        else:
            bundle = stream.bundle(tick, report)
        if mirror:
            mirror.tick(at_ms, stream.at_ms - at_ms, bundle, stream.seen, stream.keyframes.held)
        return bundle

    async def _send_reports(self) -> None:
        last = None
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            report = self.player.report() if self.player else None
            if report and report != last and self.peer:
                self.peer.send_media(Bundle(self._reports_sent & 0xFFFF, 0, report=report).pack())
                self._reports_sent += 1
                last = report

    async def _offer_keyframes(self) -> None:
        """Offer the keyframes. While the camera is off none is offered, so that a new peer sees nothing."""
        if self.peer and self.stream and self._keyframes_out and not self.stream.framing.hidden:
            await self._keyframes_out.offer(self.peer, self.stream.pictures.slot)

    # -- incoming -------------------------------------------------------------------------------------------------

    def _media(self, message: bytes) -> None:
        try:
            bundles = split_bundles(message)
        except CodecError:
            bundles = (message,)  # counted as an error below: it is no bundle
        for data in bundles:
            self._bundle(data)

    def _bundle(self, data: bytes) -> None:
        if self.player:
            bundle = self.player.bundle(data)
        else:
            try:
                bundle = Bundle.parse(data)
            except CodecError:
                bundle = None
        if bundle is None:
            self.errors += 1
        elif bundle.report:
            self._reported(bundle.report)

    def _reported(self, report: Report) -> None:
        """Adapt what is sent to the peer's report."""
        self._report = report
        now, sent = time.monotonic(), self._sent_at.pop(report.newest, None)
        trip, at_least = (self.peer.pings.newest, self.peer.pings.at_least) if self.peer else (0.0, 0.0)
        loss, filling = report.loss / 255, self._queue.report(None if sent is None else now - sent, now, trip, at_least)
        if self.ladder:
            self.ladder.takes_pairs(self.peer is not None and self._takes_pairs is self.peer)
            self.ladder.report(loss, filling, now, self._queue.confirmed, self._queue.known_empty)
        if self.stream:
            # In pairs the same packet would carry the sound twice.
            self.stream.redundant = self._redundancy.report(loss, filling or self._paired, now)

    def _queue_control(self, peer: Peer, data: bytes) -> None:
        try:
            self._control.put_nowait((peer, data))
        except asyncio.QueueFull:
            self.errors += 1

    async def _handle_control(self) -> None:
        while True:
            peer, data = await self._control.get()
            try:
                await self._on_control(peer, data)
            except PeerError:
                log.debug("no answer to a control message: the connection is over")
            except CodecError as error:
                self.errors += 1
                log.warning("control message ignored: %s", error)

    async def _on_control(self, peer: Peer, data: bytes) -> None:
        """Handle a message from ``peer``; answers are sent to it."""
        message = parse_message(data)
        if isinstance(message, Hello):
            self.remote = message
            if message.version != VERSION:
                versions = f"the other side speaks version {message.version} of the protocol, this one {VERSION}"
                raise SignalingError("version", f"{versions}: update the older of the two")
            self._takes_pairs = peer if message.pairs else None
        elif isinstance(message, Bye):
            self._left()
        elif peer.closed.is_set():
            log.debug("ignoring a control message from a previous connection")
        elif isinstance(message, SafetyCommitment | SafetyNumber):
            await self.safety.received(peer, message)
        elif isinstance(message, KeyframeNotice):
            await self._on_notice(peer, message)
        elif isinstance(message, KeyframeChunk) and self._keyframes_in:
            await self._keyframes_in.chunk(peer, message)

    async def _on_notice(self, peer: Peer, notice: KeyframeNotice) -> None:
        stream = self.stream
        if notice.verb == Verb.OFFER and self._keyframes_in:
            await self._keyframes_in.offered(peer, notice)
        elif notice.verb == Verb.HAVE and stream and self._keyframes_out:
            self._keyframes_out.answered()
            await asyncio.get_running_loop().run_in_executor(self._pool, stream.keyframes.confirm, notice.slot, notice.digest)
        elif notice.verb == Verb.REQUEST and stream and self._keyframes_out and stream.framing.hidden:
            self._keyframes_out.withhold()
        elif notice.verb == Verb.REQUEST and stream and self._keyframes_out:
            self._keyframes_out.requested(peer, notice, stream.pictures.slot, stream.keyframes.slot)
