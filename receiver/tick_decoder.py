"""Bundles → what must be shown and heard: one tick's frames as network inputs, and its sound. Used for
files and calls alike."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from codec.bundle import NO_CAMERA, Bundle
from codec.errors import CodecError
from codec.media.timing import RATE, grid
from codec.media.types import Float32, UInt8
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.header import PictureHeader
from codec.pictures.picture import PictureDecoder
from codec.pictures.sampling import SIZE
from codec.speech import SpeechDecoder
from models.runtime.detail import detail_of, shrink
from models.runtime.mel import HOP, WINDOW, WINDOW_FRAMES, log_mel, window_rows
from models.runtime.upsampler import FRAMES, Interpolator
from receiver.shape_track import ShapeTrack

HISTORY = 4
KEEP = HOP * (-(-WINDOW // HOP) + 2 * WINDOW_FRAMES)
"""Samples of sound kept for the windows of a tick's frames: a whole number of hops, so that mel rows
align as in training."""


@dataclass
class FrameInput:
    """One frame to render: its number on the 25 FPS grid, pictures (5, 3, 8, 8), speech (20, 80),
    keyframe slot.

    ``detail`` (3, 64, 64): what larger pictures show beyond 8×8 (:func:`models.runtime.detail.detail_of`).
    ``half``: the frame lies halfway between the one before ``number`` and ``number``. ``shape`` (2, 54, 2): the points of
    the keyframe's face and of the frame's, None where they are not known.
    """

    number: int
    pictures: Float32
    speech: Float32
    slot: int
    detail: Float32 | None = None
    half: bool = False
    shape: Float32 | None = None

    @property
    def inputs(self) -> tuple[Float32, Float32, Float32 | None, Float32 | None]:
        """What :meth:`models.runtime.upsampler.Upsampler.step` takes."""
        return self.pictures, self.speech, self.detail, self.shape

    @property
    def at(self) -> int:
        """Its place on the grid of 50 FPS."""
        return 2 * self.number - self.half


def halfway(before: FrameInput, frame: FrameInput) -> FrameInput | None:
    """The frame halfway between two neighbouring frames; None if they aren't neighbours."""
    if before.slot != frame.slot or before.number + 1 != frame.number:
        return None
    # The windows of neighbouring frames are four mel rows apart; this one's lies two rows from each.
    speech = np.concatenate([before.speech[2:], frame.speech[-4:-2]])
    detail = frame.detail
    if before.detail is not None and detail is not None:
        detail = _middle(before.detail, detail)
    shape = None if before.shape is None or frame.shape is None else _middle(before.shape, frame.shape)
    return FrameInput(frame.number, _middle(before.pictures, frame.pictures), speech, frame.slot, detail, True, shape)


@dataclass
class TickOutput:
    """One tick: its frames (none before the first picture or while the camera is off), mono 16 kHz
    sound, whether it had to be concealed (neither its bundle nor the copy in the next one arrived), and
    whether the camera is off."""

    frames: list[FrameInput]
    sound: Float32
    concealed: bool
    hidden: bool = False


def to_network(picture: UInt8) -> tuple[Float32, Float32 | None]:
    """Picture YCbCr (S, S, 3) → (RGB (3, 8, 8) in [0, 1], averaged down as the sender does; the picture itself as
    RGB (S, S, 3) in [0, 1], None if it is 8×8)."""
    rgb = shrink(ycbcr_to_rgb(picture), len(picture))
    small = np.ascontiguousarray(shrink(rgb, SIZE).transpose(2, 0, 1))
    return small, rgb if len(rgb) > SIZE else None


def _middle(a: Float32, b: Float32) -> Float32:
    return np.asarray((a + b) / 2, np.float32)


class TickDecoder:
    """The receiving end of one stream. Pictures are decoded when they arrive; a tick's frames and sound
    are made when it is due."""

    def __init__(self, interpolator: Interpolator) -> None:
        self.interpolator = interpolator
        self.pictures = PictureDecoder()
        self.speech = SpeechDecoder()
        self.shapes = ShapeTrack()
        self.decoded: dict[int, tuple[UInt8, PictureHeader]] = {}
        self.errors = 0
        self._sent: deque[Float32] = deque(maxlen=FRAMES)  # pictures as sent, newest last
        self._larger: deque[Float32 | None] = deque(maxlen=2)  # the newest two, where they are larger than 8×8
        self._interpolated: deque[Float32] = deque(maxlen=HISTORY)  # 8×8 at 25 FPS, newest last
        # The last picture of a pause of two ticks, shown if the second tick has no bundle.
        self._pending: tuple[Float32, Float32 | None] | None = None
        self._slot, self._hidden, self._pausing, self._tick_ms = 0, False, False, 0
        self._samples = np.zeros(KEEP, np.float32)

    @property
    def pausing(self) -> bool:
        """Whether the next tick may have no bundle, as the bundle before signalled."""
        return self._pausing

    def set_keyframe(self, slot: int, thumbnail: UInt8, points: Float32 | None = None) -> None:
        """A keyframe arrived. ``thumbnail``: its 8×8 picture, used as the previous picture until the first
        one arrives; ``points`` (54, 2) of its face, in pixels."""
        self.pictures.set_keyframe(slot, thumbnail)
        self.shapes.set_keyframe(slot, points)
        if not self._sent:
            self._sent.append(to_network(thumbnail)[0])
            self._slot = slot

    def arrived(self, bundle: Bundle) -> bool:
        """Decode the bundle's picture at once, so that it can be acknowledged. Returns whether it had
        one that could be decoded."""
        if bundle.picture is None:
            return False
        try:
            self.decoded[bundle.number] = self.pictures.decode(bundle.number, bundle.picture)
        except CodecError:
            self.errors += 1
            return False
        self._shape_arrived(bundle)
        for old in [n for n in list(self.decoded) if (bundle.number - n) & 0xFFFF > 64 and (n - bundle.number) & 0xFFFF > 64]:
            self.decoded.pop(old, None)
        return True

    def _shape_arrived(self, bundle: Bundle) -> None:
        if bundle.shape is None:
            self.shapes.forget(bundle.number)
            return
        try:
            self.shapes.arrived(bundle.number, self.decoded[bundle.number][1], bundle.shape)
        except CodecError:  # the picture can be used all the same
            self.errors += 1

    def _heard(self, sound: Float32) -> None:
        self._samples = np.concatenate([self._samples, sound])[-KEEP:]

    def _mel(self) -> Float32:
        """Mel rows of the newest sound; the last belongs to the tick's end, and all lie within what is kept."""
        return log_mel(self._samples)[-(WINDOW_FRAMES * 2) :]

    def tick(
        self, at_ms: int, tick_ms: int, bundle: Bundle | None, redundant: tuple[bytes, ...] = (), seen: bool = True
    ) -> TickOutput:  # fmt: skip
        """The tick that begins ``at_ms`` after the stream began. ``bundle`` None: lost; ``redundant`` is its
        sound from the next one. How lost sound is concealed: :meth:`codec.speech.SpeechDecoder.conceal`.
        ``seen`` False: its frames aren't needed, so none are interpolated."""
        if tick_ms != self._tick_ms:
            # Older pictures are spaced differently in time, so the interpolator must not use them.
            self._tick_ms, self._sent = tick_ms, deque(list(self._sent)[-1:], FRAMES)
        samples = RATE * tick_ms // 1000
        packets = bundle.sound if bundle else redundant
        sound = self.speech.decode(packets, samples) if packets else self.speech.conceal(samples)
        found = self.decoded.pop(bundle.number, None) if bundle else None
        concealed = not packets and bundle is None and not self._pausing
        self._pausing = bundle is not None and bundle.pausing
        if bundle:
            self._hidden = bundle.face in NO_CAMERA
        if self._hidden:
            # A camera that is off shows nothing: not the last picture, and least of all with moving lips.
            self._sent.clear()
            self._larger.clear()
            self._interpolated.clear()
            self._pending = None
            self.shapes.reset()
            self._heard(sound)
            return TickOutput([], sound, concealed, hidden=True)
        pending, self._pending = self._pending, None
        if found:
            pair = to_network(found[0])
            if bundle is not None and bundle.pausing and self._sent:
                self._pending, pair = pair, self._halfway(*pair)
            self._append(*pair)
            self._slot = found[1].slot
        elif bundle is None and pending is not None:
            self._append(*pending)
        elif self._sent:
            self._append(self._sent[-1], self._larger[-1] if self._larger else None)
        frames = grid(at_ms, tick_ms)
        self._heard(sound)
        shapes = self.shapes.tick(bundle, found is not None, len(frames))
        if not self._sent:
            return TickOutput([], sound, concealed)
        if not seen and len(frames) == FRAMES:  # frames of shorter ticks need those before, and no network to interpolate
            self._interpolated.clear()
            return TickOutput([], sound, concealed)
        shown = [*self._interpolated, *self._between(len(frames))]
        first = len(self._interpolated)
        mel = self._mel()
        newest = len(mel) - 1 - 4  # the newest frame lies one frame before the tick's end, and so four mel rows
        out = []
        for i, frame in enumerate(frames):
            at = first + i
            window = [shown[min(max(j, 0), len(shown) - 1)] for j in range(at - 2, at + 3)]
            speech = window_rows(mel, newest - 4 * (frames[-1] - frame), newest)
            detail = self._detail(window[2], (i + 1) / len(frames))
            out.append(FrameInput(frame, np.stack(window), speech, self._slot, detail, shape=shapes[i]))
        self._interpolated.extend(shown[first:])
        return TickOutput(out, sound, concealed)

    def _append(self, small: Float32, larger: Float32 | None) -> None:
        self._sent.append(small)
        self._larger.append(larger)

    def _halfway(self, small: Float32, larger: Float32 | None) -> tuple[Float32, Float32 | None]:
        """The pictures halfway between the newest ones and these."""
        before = self._larger[-1] if self._larger else None
        if larger is not None and before is not None and before.shape == larger.shape:
            larger = _middle(before, larger)
        return _middle(self._sent[-1], small), larger

    def _detail(self, picture: Float32, part: float) -> Float32 | None:
        """What larger pictures show beyond ``picture``, ``part`` of the way from the one before to the newest."""
        new = self._larger[-1] if self._larger else None
        if new is None:
            return None
        old = self._larger[0]
        there = new if old is None or old.shape != new.shape else old + (new - old) * np.float32(part)
        return detail_of(picture, there)

    def _between(self, count: int) -> list[Float32]:
        """The tick's pictures on the 25 FPS grid, the last of them the newest as sent."""
        if count == FRAMES:
            window = list(self._sent)
            window = [window[0]] * (FRAMES - len(window)) + window
            return list(self.interpolator.tick(np.stack(window)))
        old, new = self._sent[-2] if len(self._sent) > 1 else self._sent[-1], self._sent[-1]
        return [old + (new - old) * ((i + 1) / count) for i in range(count)]
