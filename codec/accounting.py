"""What a call costs: payload bits per pixel as the paper counts them, and bytes on the wire with every header.

BPP (paper section 4.4): video payload bits over 256·256 pixels a frame at 25 frames a second,
however many pictures a second are sent. On the wire a data-channel message costs its payload + 85
bytes over IPv4: 20 IP, 8 UDP, 13 + 16 DTLS (RFC 6347, ChaCha20-Poly1305 of RFC 7905), 12 SCTP + 16
DATA chunk (RFC 4960). Its acknowledgement is a SACK packet of 85 bytes, or 16 bytes in the packet of
a bundle in the other direction (:mod:`signaling.transport.patches.sctp_acks_and_probes`).
"""

from dataclasses import dataclass

from codec.bundle import Bundle
from codec.media.timing import FRAME_RATE

PIXELS = 256 * 256
IP_UDP = 28
MESSAGE_OVERHEAD = 85


@dataclass
class BitCount:
    """Totals of what was sent in one direction. Durations in seconds, sizes in bytes."""

    picture_bytes: int = 0
    shape_bytes: int = 0
    pictures: int = 0
    keyframe_bytes: int = 0
    sound_bytes: int = 0
    bundle_bytes: int = 0
    bundles: int = 0
    seconds: float = 0.0

    def add_bundle(self, packed: int, bundle: Bundle, seconds: float) -> None:
        """Count one bundle of ``packed`` bytes, which covers ``seconds`` of the call."""
        self.bundle_bytes += packed
        self.bundles += 1
        self.sound_bytes += sum(map(len, bundle.sound))
        self.shape_bytes += len(bundle.shape or b"")
        self.seconds += seconds
        if bundle.picture is not None:
            self.picture_bytes += len(bundle.picture)
            self.pictures += 1

    def _bpp(self, size: int) -> float:
        pixels = self.seconds * FRAME_RATE * PIXELS
        return size * 8 / pixels if pixels else 0.0

    @property
    def video_bytes(self) -> int:
        """Bytes of pictures and shapes."""
        return self.picture_bytes + self.shape_bytes

    @property
    def bpp_video(self) -> float:
        """Bits of the 8×8 pictures and of the face's shape, headers included, per pixel shown."""
        return self._bpp(self.video_bytes)

    @property
    def bpp_shape(self) -> float:
        """The shape's part of :attr:`bpp_video`."""
        return self._bpp(self.shape_bytes)

    @property
    def bpp_with_keyframe(self) -> float:
        return self._bpp(self.video_bytes + self.keyframe_bytes)

    @property
    def bits_per_picture(self) -> float:
        return self.picture_bytes * 8 / self.pictures if self.pictures else 0.0

    @property
    def wire_kbps(self) -> float:
        """Computed rate on the wire of only the bundles (no keyframe, no acknowledgements), in kbit/s
        over IPv4."""
        total = self.bundle_bytes + self.bundles * MESSAGE_OVERHEAD
        return total * 8 / 1000 / self.seconds if self.seconds else 0.0
