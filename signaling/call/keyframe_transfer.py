"""Keyframes between two peers: offered by digest, requested, sent whole or in pieces, confirmed; and
those received."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from codec.control import KeyframeAssembler, KeyframeChunk, KeyframeNotice, Verb
from codec.keyframe import Keyframe
from sender.keyframes.gallery import Gallery
from signaling.call.pacing import KeyframePieces
from signaling.call.slow_start import SlowStart
from signaling.transport.channels import PeerError
from signaling.transport.peer import Peer

CACHED_KEYFRAMES = 16
FIRST = 8.0
"""Seconds for which the first keyframe has the link to itself, at most."""
ANSWER = 1.0
"""Seconds for which the link is kept free after the first offer, until the answer arrives."""

Confirmed = Callable[[int, bytes], None]


class KeyframesOut:
    """Sends our keyframes to the peer, over one connection after another."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._offered: set[tuple[int, bytes]] = set()
        self._pieces: KeyframePieces | None = None
        self._whole: asyncio.Task[None] | None = None
        self._slow_start = SlowStart()
        self._began = 0.0
        self._told = float("inf")
        self._answered = False  # it was requested, or the peer had it already

    def reconnected(self) -> None:
        """A new connection is up: nothing has been offered on it yet."""
        self._offered.clear()
        self._pieces = None
        self.close()

    def close(self) -> None:
        """Stop sending."""
        if self._whole:
            self._whole.cancel()

    @property
    def hold_bundles(self) -> bool:
        """Whether bundles should wait: the keyframe in use is being transferred, the link may be slow, and the time limit has
        not passed. The receiver cannot render without the keyframe."""
        now = time.monotonic()
        if not self._answered:
            return 0 <= now - self._told < ANSWER
        return self._under_way and not self._slow_start.bundles_allowed and now - self._began < FIRST

    def answered(self) -> None:
        """The peer has what was offered, or requests it."""
        self._answered = True

    @property
    def _under_way(self) -> bool:
        return self._whole is not None and not self._whole.done()

    async def offer(self, peer: Peer, using: int | None) -> None:
        """Offer the keyframes not yet offered on this connection, the one in slot ``using`` first."""
        for slot, keyframe in sorted(self._gallery.keyframes.copy().items(), key=lambda k: k[0] != using):
            if (name := (slot, keyframe.digest)) in self._offered:
                continue
            self._offered.add(name)
            try:
                await peer.send_control(KeyframeNotice(Verb.OFFER, *name).pack())
                self._told = min(self._told, time.monotonic())
            except PeerError:
                self._offered.discard(name)  # offered again on the next connection
                return

    def withhold(self) -> None:
        """Stop sending keyframes; :meth:`offer` later offers those again that the peer doesn't have
        by now."""
        self.close()
        self._pieces = None
        held = {
            (slot, keyframe.digest) for slot, keyframe in self._gallery.keyframes.copy().items() if slot in self._gallery.held
        }
        self._offered &= held

    def requested(self, peer: Peer, notice: KeyframeNotice, using: int | None, newest: int) -> None:
        """The peer requests a keyframe. The one in use is sent at once, because nothing can be
        rendered without it; the newest is sent in pieces, as :meth:`send_piece` finds room. An older
        one that the peer lost isn't sent again."""
        self.answered()
        wanted = self._gallery.keyframes.get(notice.slot)
        if not wanted or notice.digest not in (wanted.digest, bytes(len(wanted.digest))):
            return
        if notice.slot == using:
            self.close()
            if self._pieces:  # the peer assembles one at a time: this one starts again afterwards
                self._pieces.restart()
            self._began, self._slow_start = time.monotonic(), SlowStart()
            self._whole = asyncio.create_task(self._send_whole(peer, KeyframePieces(notice.slot, wanted)))
        elif notice.slot == newest:
            self._pieces = KeyframePieces(notice.slot, wanted)

    async def _send_whole(self, peer: Peer, pieces: KeyframePieces) -> None:
        with contextlib.suppress(PeerError):  # offered again on the next connection
            await self._slow_start.send(peer, pieces)

    async def send_piece(self, peer: Peer, room: int) -> None:
        """Send a piece of at most ``room`` bytes on the wire, if one waits and no keyframe is being
        sent whole. It shares the packet of what is sent right after."""
        if not self._pieces or self._under_way:
            return
        piece = self._pieces.next(room)
        if self._pieces.done:
            self._pieces = None
        if piece:
            with contextlib.suppress(PeerError):  # offered again on the next connection
                await peer.send_control(piece.pack(), prompt=False)


class KeyframesIn:
    """The peer's keyframes; the newest are kept by digest, so that none is sent twice."""

    def __init__(self, arrived: Callable[[int, Keyframe], None]) -> None:
        """``arrived`` is called with the slot and the keyframe."""
        self._arrived = arrived
        self._cache: dict[bytes, Keyframe] = {}
        self._assembler = KeyframeAssembler()

    async def offered(self, peer: Peer, notice: KeyframeNotice) -> None:
        """Answer an offer: have it, or request it. Raises ``PeerError``."""
        if known := self._cache.get(notice.digest):
            self._arrived(notice.slot, known)
        verb = Verb.HAVE if known else Verb.REQUEST
        await peer.send_control(KeyframeNotice(verb, notice.slot, notice.digest).pack())

    async def chunk(self, peer: Peer, chunk: KeyframeChunk) -> None:
        """A piece has arrived. Raises ``KeyframeError`` and ``PeerError``."""
        whole = await asyncio.to_thread(self._assembler.add, chunk)  # decoding the image takes milliseconds
        if not whole:
            return
        slot, keyframe = whole
        self._cache[keyframe.digest] = keyframe
        while len(self._cache) > CACHED_KEYFRAMES:
            del self._cache[next(iter(self._cache))]
        self._arrived(slot, keyframe)
        await peer.send_control(KeyframeNotice(Verb.HAVE, slot, keyframe.digest).pack())
