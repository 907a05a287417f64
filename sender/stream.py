"""Ticks → bundles: crop, keyframe, picture, speech. Holds one outgoing stream's whole state; depends on
no network or clock."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from codec.accounting import BitCount
from codec.bundle import NO_CAMERA, TICK_MODES, TIME_UNIT, Bundle, Face, Report
from codec.errors import PictureTooLongError
from codec.keyframe import QUALITY
from codec.media.types import UInt8
from codec.pictures.header import RATES, SIZES
from codec.pictures.picture import PictureEncoder
from codec.pictures.ratecontrol import RateControl
from codec.pictures.sampling import SIZE, sample
from codec.speech import SpeechEncoder
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from sender.capture.sources import Tick
from sender.framing import Framing
from sender.keyframes.outgoing import KeyframeMode, OutgoingKeyframes
from sender.shapes import OutgoingShapes
from sender.vad import VoiceActivity

PICTURE_BYTES = {8: 44, 16: 120, 32: 320}
"""Picture sides that the network is trained to render from (the codec also has 12), and what a picture
may cost on average, in bytes."""
QUANTISERS = {True: (5, 5), False: (2, 3)}
"""Quantiser numbers of luma and chroma, with the face's shape and without it: steps of 6 and 6, or of 3 and 4. The
shape carries the motion, so the pictures can be coarser (docs/decisions.md)."""
PAUSING_TICK = 200
"""Only ticks of this many milliseconds are left out in silence; with shorter ones there is bandwidth to spare."""
SWITCH_MS = 600
"""The tick mode may change only at multiples of this many ms, where ticks of all lengths start
together."""


@dataclass(frozen=True)
class StreamConfig:
    """A stream's settings.

    Attributes:
        crop: "face" follows the face, "none" takes the frame as it is.
        keyframe: "auto" chooses from what was seen before the stream, or in its first second; "first" takes the first picture.
        luma, chroma: quantiser numbers; None takes :data:`QUANTISERS`.
        size: side of the pictures, one of :data:`PICTURE_BYTES`.
        bitrate: of Opus, bit/s.
        tick_mode: index into ``TICK_MODES``.
        quality: of the keyframe's AV1 or WebP, 1..100.
        picture_bytes: what a picture may cost on average; :data:`PICTURE_BYTES` by default.
        shape: send the face's shape (mesh points) with each picture; without it the stream is as in the paper.
        pauses: in silence send no sound and, at ticks of 200 ms, only every other tick's bundle.
    """

    crop: Literal["face", "none"] = "face"
    keyframe: KeyframeMode = "auto"
    luma: int | None = None
    chroma: int | None = None
    size: int = SIZE
    bitrate: int = 6_000
    tick_mode: int = 0
    quality: int = QUALITY
    picture_bytes: int | None = None
    shape: bool = True
    pauses: bool = False


class SenderStream:
    """One person's outgoing stream. Pass it ticks in order; it returns a bundle for each, or None where
    silence needs none.

    Attributes:
        framing: what the camera shows, and whether it is off.
        keyframes: those made so far, and which of them is in use.
        muted: send silence; set by the caller.
        redundant: repeat the previous tick's audio; set by the caller.
        every_frame: run the face mesh on all pictures of a tick, not only the last; set by the caller.
        seen: the last tick's crop (256, 256, 3), None while nothing is shown; ``face``: what was in it.
    """

    def __init__(self, config: StreamConfig | None = None) -> None:
        self.config = config = config or StreamConfig()
        detector, mesh = BlazeFace(), FaceMesh()
        self.framing = Framing(config.crop, detector, mesh)
        usual = QUANTISERS[config.shape]
        luma, chroma = (u if given is None else given for u, given in zip(usual, (config.luma, config.chroma), strict=True))
        self.pictures = PictureEncoder(luma, chroma, SIZES.index(config.size), RATES.index(TICK_MODES[config.tick_mode]))
        self.count, self.rate = BitCount(), RateControl(config.picture_bytes or PICTURE_BYTES[config.size])
        self.keyframes = OutgoingKeyframes(
            self.pictures, self.count, detector, mesh, config.keyframe, config.quality, config.shape
        )
        self.shapes = OutgoingShapes(detector, mesh) if config.shape else None
        self.speech = SpeechEncoder(config.bitrate, TICK_MODES[config.tick_mode])
        self.tick_mode, self.at_ms, self.number = config.tick_mode, 0, 0
        self.muted = self.redundant = False
        self.every_frame = True
        self.face = Face.TRACKED
        self.seen: UInt8 | None = None
        self.sent_picture: UInt8 | None = None
        self._error = 0.0  # squared, summed over the pictures
        self._last_sound: tuple[bytes, ...] = ()
        self._voice = VoiceActivity() if config.pauses else None
        self._paused = False  # the previous bundle had ``pausing`` set: this one may be omitted

    @property
    def tick_ms(self) -> int:
        """Length of the next tick."""
        return TICK_MODES[self.tick_mode]

    def set_tick_mode(self, tick_mode: int, bitrate: int) -> None:
        """Set tick mode and Opus bit rate from the next tick on. Raises ``ValueError`` if the tick mode
        changes at a time that is not a multiple of :data:`SWITCH_MS`."""
        if tick_mode != self.tick_mode and self.at_ms % SWITCH_MS:
            raise ValueError(f"the tick mode changes every {SWITCH_MS} ms, not after {self.at_ms}")
        self.tick_mode = tick_mode
        self.pictures.rate = RATES.index(self.tick_ms)
        self.speech.set_tick(self.tick_ms)
        self.speech.set_bitrate(bitrate)

    def acknowledge(self, report: Report) -> None:
        """Process a report: the next pictures use an acknowledged picture as their reference."""
        self.pictures.acknowledge(report.newest)

    def reconnected(self) -> None:
        """The peer may have restarted: forget its acknowledgements."""
        self.pictures.acknowledged = None
        self.keyframes.gallery.reconnected()

    def candidates(self, tick: Tick) -> None:
        """Consider a tick for the keyframe before the stream starts: a file can be read twice, and a
        camera is on while the peer is awaited."""
        crop, _ = self.framing.see(tick)
        if crop is None:
            self.keyframes.hide()
        else:
            self.keyframes.candidate(crop)

    def choose_early(self) -> None:
        """Choose the keyframe now if enough candidates were seen before the stream started and one shows a face."""
        if not self.framing.hidden:
            self.keyframes.choose_early()

    def look_early(self, frame: UInt8) -> None:
        """Process the camera's newest picture before its tick ends: what takes longest is done now, so it delays no bundle."""
        if self.shapes and self.every_frame and self.framing.crop and not self.framing.hidden and self.pictures.slot is not None:
            self.shapes.look(frame, self.framing.crop)

    def _see(self, tick: Tick) -> UInt8 | None:
        self.seen, self.face = self.framing.see(tick, self.at_ms, self.tick_ms)
        if self.seen is None:
            self.keyframes.hide()
            if self.shapes:
                self.shapes.hide()
        return self.seen

    def bundle(self, tick: Tick, report: Report | None = None) -> Bundle | None:
        """The bundle of the next tick; None if it is left out in silence. ``keyframes.newest`` is set
        when the keyframe has been chosen."""
        crop = self._see(tick)
        muted = self.muted or self.framing.away
        samples = np.zeros_like(tick.sound) if muted else tick.sound
        silent = self._voice is not None and not self._voice.is_speaking(samples)
        if silent and self._paused and self.tick_ms == PAUSING_TICK and self.keyframes.choice is None:
            self._skip(tick)
            return None
        self.keyframes.see(crop, self.face)
        picture = None if crop is None or self.keyframes.newest is None else self._encode(crop)
        sound = self._encode_silence(len(samples)) if silent else self.speech.encode(samples)
        self._paused = silent and self.tick_ms == PAUSING_TICK and self.keyframes.newest is not None
        if silent and picture is None and not self._paused and self.face not in NO_CAMERA:
            sound = (b"",)  # otherwise it would count as a mere report, and its tick as lost
        shape = self._encode_shape(picture is not None)
        bundle = Bundle(
            self.number, (self.at_ms // TIME_UNIT) & 0xFFFF, self.tick_mode, picture, sound, report,
            self._last_sound if self.redundant else (), self.face, muted,
            self._paused, shape,
        )  # fmt: skip
        self._last_sound = sound
        self.number = (self.number + 1) & 0xFFFF
        self.at_ms += self.tick_ms
        self.count.add_bundle(len(bundle.pack()), bundle, len(tick.frames) / 25)
        return bundle

    def _encode(self, crop: UInt8) -> bytes | None:
        """The crop's small picture in bits; None if it takes too many, so that the peer keeps the
        previous one."""
        wanted = sample(crop, self.config.size)
        try:
            picture, decoded = self.pictures.encode(self.number, wanted, self.rate.limit)
        except PictureTooLongError:  # 32×32 pixels of noise
            return None
        self.rate.spent(len(picture))
        self.sent_picture = decoded
        self._error += float(((decoded.astype(np.float64) - wanted) ** 2).mean())
        return picture

    def _encode_shape(self, beside_picture: bool) -> bytes | None:
        """The face's shape in bits; None if it is unknown, or if there is no picture to refer to."""
        if self.shapes is None:
            return None
        if not beside_picture or self.face in (Face.NONE, *NO_CAMERA):
            self.shapes.skip()
            return None
        self.shapes.see(self.framing.placed if self.every_frame else self.framing.placed[-1:])
        header = self.pictures.header
        every = self.every_frame and self.tick_ms == TICK_MODES[0] and not self._paused
        return self.shapes.encode(self.number, header, self.keyframes.gallery.keyframes[header.slot], every)

    def skip(self, tick: Tick) -> None:
        """Consume a tick without sending it; the receiver conceals its sound."""
        self._see(tick)
        self._skip(tick)

    def _skip(self, tick: Tick) -> None:
        self._paused, self._last_sound = False, ()
        if self.shapes:
            self.shapes.skip()
        self._encode_silence(len(tick.sound))
        self.at_ms += self.tick_ms
        self.count.seconds += len(tick.frames) / 25

    def _encode_silence(self, samples: int) -> tuple[bytes, ...]:
        """Feed silence to the encoder and discard the packets, so that its state is fresh when speech
        resumes."""
        self.speech.encode(np.zeros(samples, np.float32))
        return ()

    @property
    def lowres_psnr_db(self) -> float | None:
        """PSNR of the decoded small pictures against the unquantised, over the whole stream, in dB; None where none was sent."""
        if not self.count.pictures:
            return None
        mean = self._error / self.count.pictures
        return float(10 * np.log10(255**2 / max(mean, 1e-3)))
