"""Ticks → bundles: crop, keyframe, picture, speech. Holds one outgoing stream's whole state; knows
no network or clock."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from codec.accounting import BitCount
from codec.bundle import TICK_MODES, TIME_UNIT, Bundle, Face, Report
from codec.errors import PictureTooLongError
from codec.keyframe import Keyframe, encode_keyframe
from codec.media.timing import grid
from codec.media.types import UInt8
from codec.pictures.header import RATES, SIZES
from codec.pictures.picture import PictureEncoder
from codec.pictures.ratecontrol import RateControl
from codec.pictures.sampling import SIZE, sample
from codec.speech import SpeechEncoder
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.face.tracker import SIDE, Crop, Tracker, whole
from sender.capture.sources import Tick
from sender.keyframes.choice import KeyframeChoice
from sender.keyframes.gallery import Gallery, Held
from sender.vad import VoiceActivity

DRAWN = {8: 44, 16: 120, 32: 320}
"""Sides of pictures that the network is trained to draw from (the codec carries 12 as well), and
what one may cost on average, in bytes."""
PAUSING_TICK = 200
"""Ticks of so many milliseconds are left out in silence; at the faster tick modes there is room."""
SWITCH_MS = 600
"""The tick mode changes at whole multiples, where ticks of all lengths begin."""
CHOICE_TICKS = 5
"""Ticks of candidates before the keyframe is chosen: one second at the 200 ms tick mode."""
GLIMPSES_MIN, GLIMPSES_MAX = 3, 25
"""Ticks before the stream that suffice for the choice, and after which it begins anew."""
CHOICE_TICKS_MAX = 75
"""Ticks after which it is chosen even if no candidate shows a face; it is chosen again when one appears."""


@dataclass(frozen=True)
class StreamConfig:
    """``crop``: "face" follows the face, "none" takes the frame as it is. ``keyframe``: "auto"
    chooses within the first second, "first" takes the first picture. ``luma``, ``chroma``:
    quantiser numbers (2 and 3 are steps of 3 and 4). ``size``: side of the pictures, one of
    :data:`DRAWN`. ``bitrate``: Opus, bit/s. ``picture_bytes``: what a picture may cost on average,
    by default as DRAWN says. ``pauses``: in silence send no sound and, at the 200 ms tick mode, only
    every other tick's bundle."""

    crop: Literal["face", "none"] = "face"
    keyframe: Literal["auto", "first"] = "auto"
    luma: int = 2
    chroma: int = 3
    size: int = SIZE
    bitrate: int = 6_000
    tick_mode: int = 0
    quality: int = 70
    picture_bytes: int | None = None
    pauses: bool = False


class SenderStream:
    """One person's outgoing stream. Feed it ticks in order; it gives a bundle for each."""

    def __init__(self, config: StreamConfig | None = None) -> None:
        self.config = config = config or StreamConfig()
        detector, mesh = BlazeFace(), FaceMesh()
        self.tracker = Tracker(detector, mesh)
        self.choice: KeyframeChoice | None = KeyframeChoice(detector, mesh)
        self.pictures = PictureEncoder(
            config.luma, config.chroma, SIZES.index(config.size), RATES.index(TICK_MODES[config.tick_mode])
        )
        self.speech = SpeechEncoder(config.bitrate, TICK_MODES[config.tick_mode])
        self.count, self.rate = BitCount(), RateControl(config.picture_bytes or DRAWN[config.size])
        self.number = 0
        self.slot = 0
        self.keyframe: Keyframe | None = None
        self.gallery = Gallery()
        self._newest_used = False
        self.muted = self.camera_off = False
        self.away = False  # both, and the other side is told why
        self._nothing_seen = False  # in the last tick
        self.face = Face.TRACKED
        self.redundant = False  # sound goes twice
        self._error = 0.0  # squared, summed over the pictures
        self.sent_picture: UInt8 | None = None
        self.crop: Crop | None = None
        self.seen: UInt8 | None = None  # the last tick's crop (256, 256, 3), None while the camera is off
        self.on_crops: Callable[[int, list[UInt8]], None] | None = None
        self._last_sound: tuple[bytes, ...] = ()
        self._voice = VoiceActivity() if config.pauses else None
        self._paused = False  # the last bundle said that this tick's may be left out
        self._faceless = False
        self.tick_mode, self.at_ms = config.tick_mode, 0

    @property
    def tick_ms(self) -> int:
        """Length of the next tick."""
        return TICK_MODES[self.tick_mode]

    @property
    def enlarged(self) -> float:
        """How many times the face is enlarged to be shown at 256×256: over 1 it is further from the
        camera than is sharp."""
        return float(SIDE / max(self.crop.side, 1.0)) if self.crop is not None and self.config.crop == "face" else 1.0

    @property
    def hidden(self) -> bool:
        """Whether there is nothing to be seen: no keyframe is told of then, let alone sent."""
        return self.away or self.camera_off or self._nothing_seen

    def set_step(self, tick_mode: int, bitrate: int) -> None:
        """Another tick mode and Opus bit rate from the next tick on. Raises ``ValueError`` off
        :data:`SWITCH_MS`, where the tick modes' ticks don't begin together."""
        if tick_mode != self.tick_mode and self.at_ms % SWITCH_MS:
            raise ValueError(f"the tick mode changes every {SWITCH_MS} ms, not after {self.at_ms}")
        self.tick_mode = tick_mode
        self.pictures.rate = RATES.index(self.tick_ms)
        self.speech.set_tick(self.tick_ms)
        self.speech.set_bitrate(bitrate)

    def acknowledge(self, report: Report) -> None:
        """What the other side said it holds: references follow."""
        self.pictures.acknowledge(report.newest)

    def _see(self, tick: Tick, told: bool = True) -> tuple[UInt8 | None, Face]:
        frames = [f for f in tick.frames if f is not None]
        self._nothing_seen = not frames
        if self.hidden:
            self.tracker.reset()
            if self.choice:  # who hides isn't shown as seen before
                self.choice = self.choice.anew()
            return None, Face.AWAY if self.away else Face.CAMERA_OFF
        newest = frames[-1]
        before = self.crop
        if self.config.crop == "none":
            self.crop, face = whole(newest), Face.TRACKED
        else:
            self.crop, face = self.tracker.update(newest)
        if self.on_crops and told:
            step = [(before or self.crop).towards(self.crop, (i + 1) / len(frames)) for i in range(len(frames))]
            self.on_crops(grid(self.at_ms, self.tick_ms)[0], [c.cut(f) for c, f in zip(step, frames, strict=True)])
        return self.crop.cut(newest), face

    def candidates(self, tick: Tick) -> None:
        """Look at a tick for the keyframe before the stream starts: a file can be read twice, a
        camera is on while the other side is waited for. What was looked at long before is
        forgotten."""
        crop, _ = self._see(tick, told=False)
        if crop is not None and self.choice:
            if self.choice.tried >= GLIMPSES_MAX:
                self.choice = self.choice.anew()
            self.choice.add(crop)

    def choose_early(self) -> None:
        """The stream starts: end the choice if enough was seen of a face before."""
        choice = self.choice
        if choice and not self.hidden and choice.has_face and choice.tried >= GLIMPSES_MIN and self.config.keyframe == "auto":
            self.choose()

    def choose(self) -> None:
        """End the choice with the best candidate so far."""
        if self.choice and self.choice.candidates:
            self._faceless = not self.choice.has_face
            self.set_keyframe(self.choice.best())
            self.choice = None

    def set_keyframe(self, crop: UInt8 | Keyframe) -> None:
        """Make this crop (256, 256, 3), or what it was encoded to, the next keyframe, in a slot of its own.

        The first is used at once; a later one only when the other side has it (:meth:`confirm`), so
        that no picture refers to a keyframe that is still under way.
        """
        keyframe = crop if isinstance(crop, Keyframe) else encode_keyframe(crop, self.config.quality)
        self.keyframe, self.slot = keyframe, self.gallery.add(keyframe, self.pictures.slot)
        self._newest_used = False
        self.count.keyframe_bytes += len(keyframe.data)
        if self.pictures.slot is None:
            self._use(self.slot)

    def _use(self, slot: int) -> None:
        self.pictures.set_keyframe(slot, self.gallery.keyframes[slot].thumbnail)
        self.gallery.used(slot)

    def confirm(self, slot: int, digest: bytes) -> None:
        """The other side holds this keyframe. The newest is used from now on."""
        if self.gallery.confirm(slot, digest) and slot == self.slot and not self._newest_used:
            self._newest_used = True
            self._use(slot)

    def use(self, slot: int) -> bool:
        """Refer to a keyframe that the other side holds, from the next picture on; False where it
        doesn't hold it."""
        if slot not in self.gallery.held:
            return False
        self._use(slot)
        return True

    @property
    def held(self) -> Held:
        """The keyframes, for :class:`sender.keyframes.refresh.Refresh`."""
        gallery = self.gallery
        return Held(dict(gallery.keyframes), frozenset(gallery.held), self.pictures.slot, self._newest_used)

    def reconnected(self) -> None:
        """The other side may have started anew: what it once acknowledged counts no more."""
        self.pictures.acknowledged = None
        self.gallery.reconnected()

    def _choose_live(self, crop: UInt8) -> None:
        assert self.choice is not None
        if self.config.keyframe == "first":
            self.set_keyframe(crop)
            self.choice = None
            return
        self.choice.add(crop)
        if self.choice.tried >= (CHOICE_TICKS if self.choice.has_face else CHOICE_TICKS_MAX):
            self.choose()

    def bundle(self, tick: Tick, report: Report | None = None) -> Bundle | None:
        """The bundle of the next tick; None where it is left out in silence. :attr:`keyframe`
        appears when the choice is made."""
        config, picture = self.config, None
        crop, self.face = self._see(tick)
        self.seen = crop
        muted = self.muted or self.away
        samples = np.zeros_like(tick.sound) if muted else tick.sound
        silent = self._voice is not None and not self._voice.heard(samples)
        if silent and self._paused and self.tick_ms == PAUSING_TICK and self.choice is None:
            self._pass_over(tick)
            return None
        if self._faceless and self.face == Face.TRACKED:
            self.choice, self._faceless = KeyframeChoice(self.tracker.detector), False
        if crop is not None and self.choice is not None:
            self._choose_live(crop)
        if crop is not None and self.keyframe is not None:
            wanted = sample(crop, config.size)
            with contextlib.suppress(PictureTooLongError):  # 32x32 pixels of noise: the other side keeps the picture before
                picture, decoded = self.pictures.encode(self.number, wanted, self.rate.limit)
                self.rate.spent(len(picture))
                self.sent_picture = decoded
                self._error += float(((decoded.astype(np.float64) - wanted) ** 2).mean())
        sound = self._encode_silence(len(samples)) if silent else self.speech.encode(samples)
        self._paused = silent and self.tick_ms == PAUSING_TICK and self.keyframe is not None
        bundle = Bundle(
            self.number, (self.at_ms // TIME_UNIT) & 0xFFFF, self.tick_mode, picture, sound, report,
            self._last_sound if self.redundant else (), self.face, muted,
            self._paused,
        )  # fmt: skip
        self._last_sound = sound
        self.number = (self.number + 1) & 0xFFFF
        self.at_ms += self.tick_ms
        self.count.add_bundle(len(bundle.pack()), picture, sum(map(len, sound)), len(tick.frames) / 25)
        return bundle

    def leave_out(self, tick: Tick) -> None:
        """A tick in place of :meth:`bundle`, of which nothing is sent; the other side makes its sound up."""
        self.seen, self.face = self._see(tick)
        self._pass_over(tick)

    def _pass_over(self, tick: Tick) -> None:
        self._paused, self._last_sound = False, ()
        self._encode_silence(len(tick.sound))
        self.at_ms += self.tick_ms
        self.count.seconds += len(tick.frames) / 25

    def _encode_silence(self, samples: int) -> tuple[bytes, ...]:
        """Let the encoder hear silence, so that it begins anew after it; nothing of it is sent."""
        self.speech.encode(np.zeros(samples, np.float32))
        return ()

    @property
    def lowres_psnr_db(self) -> float:
        """PSNR of the decoded 8×8 pictures against the unquantised, over the whole stream, in dB."""
        mean = self._error / max(1, self.count.pictures)
        return float(10 * np.log10(255**2 / max(mean, 1e-3)))
