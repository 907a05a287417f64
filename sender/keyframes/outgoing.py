"""A stream's keyframes: chosen, kept by slot, and used once the peer holds them."""

from typing import Literal

from codec.accounting import BitCount
from codec.bundle import Face
from codec.keyframe import Keyframe, encode_keyframe
from codec.media.types import UInt8
from codec.pictures.picture import PictureEncoder
from models.face.detector import Detector
from models.face.landmarks import FaceMesh
from sender.keyframes.choice import KeyframeChoice
from sender.keyframes.gallery import Gallery, Held
from sender.shapes import points_of

KeyframeMode = Literal["auto", "first"]
CHOICE_TICKS = 5
"""Ticks of candidates before the keyframe is chosen: one second at the 200 ms tick mode."""
CHOICE_TICKS_MAX = 75
"""Ticks after which it is chosen even if no candidate shows a face; it is chosen again when one appears."""
GLIMPSES_MIN = 3
"""Ticks before the stream that suffice for the choice."""


class OutgoingKeyframes:
    """Chooses the keyframe to which one stream's pictures refer.

    Attributes:
        newest: the last keyframe made, None before the first; ``slot`` is its slot.
        choice: the choice in progress, None once it is made.
    """

    def __init__(
        self, pictures: PictureEncoder, count: BitCount, detector: Detector, mesh: FaceMesh, mode: KeyframeMode,
        quality: int, shape: bool = True,
    ) -> None:  # fmt: skip
        """``mode``: "auto" chooses from what was seen before, or within the first second; "first" takes the first picture.
        ``count``: the keyframes' bytes are added to it. ``quality``: AV1's.
        ``shape``: they carry their face's points."""
        self._pictures, self._count, self._detector, self._mesh = pictures, count, detector, mesh
        self._shape = shape
        self._mode, self._quality = mode, quality
        self.choice: KeyframeChoice | None = KeyframeChoice(detector, mesh)
        self.gallery = Gallery()
        self.newest: Keyframe | None = None
        self.slot = 0
        self._newest_used = False
        self._faceless = False  # the choice was made without a face

    def hide(self) -> None:
        """Nobody is visible: the candidates so far are forgotten."""
        if self.choice:
            self.choice = self.choice.new_choice()

    def candidate(self, crop: UInt8) -> None:
        """A crop (256, 256, 3) from before the stream."""
        if self.choice:
            self.choice.add(crop)

    def choose_early(self) -> None:
        """The stream starts: end the choice if enough candidates were seen and one shows a face."""
        choice = self.choice
        if choice and choice.has_face and choice.tried >= GLIMPSES_MIN and self._mode == "auto":
            self.choose()

    def choose(self) -> None:
        """End the choice with the best candidate so far."""
        if self.choice and self.choice.candidates:
            self._faceless = not self.choice.has_face
            self.set(self.choice.best())
            self.choice = None

    def settle(self) -> None:
        """End a choice in progress: a keyframe was set, or used again, by other means."""
        self.choice, self._faceless = None, False

    def see(self, crop: UInt8 | None, face: Face) -> None:
        """A tick's crop while the stream runs; a choice that was made without a face is made again with one."""
        if self._faceless and face == Face.TRACKED:
            self.choice, self._faceless = KeyframeChoice(self._detector, self._mesh), False
        if crop is None or self.choice is None:
            return
        if self._mode == "first":
            self.set(crop)
            self.choice = None
            return
        self.choice.add(crop)
        if self.choice.tried >= (CHOICE_TICKS if self.choice.has_face else CHOICE_TICKS_MAX):
            self.choose()

    def set(self, crop: UInt8 | Keyframe) -> None:
        """Make this crop (256, 256, 3), or a keyframe encoded from one, the next keyframe, in a slot of its own.

        The first is used at once; a later one only when the peer has it (:meth:`confirm`), so that no
        picture refers to a keyframe that is still being sent.
        """
        keyframe = crop if isinstance(crop, Keyframe) else self._encoded(crop)
        self.newest, self.slot = keyframe, self.gallery.add(keyframe, self._pictures.slot)
        self._newest_used = False
        self._count.keyframe_bytes += len(keyframe.data)
        if self._pictures.slot is None:
            self._use(self.slot)

    def _encoded(self, crop: UInt8) -> Keyframe:
        points = points_of(crop, self._detector, self._mesh) if self._shape else None
        return encode_keyframe(crop, self._quality, points=points)

    def _use(self, slot: int) -> None:
        self._pictures.set_keyframe(slot, self.gallery.keyframes[slot].thumbnail)
        self.gallery.used(slot)

    def confirm(self, slot: int, digest: bytes) -> None:
        """The peer holds this keyframe. If it is the newest, it is used from now on."""
        if self.gallery.confirm(slot, digest) and slot == self.slot and not self._newest_used:
            self._newest_used = True
            self._use(slot)

    def use(self, slot: int) -> bool:
        """Refer to a keyframe that the peer holds, from the next picture on; False if the peer doesn't
        hold it."""
        if slot not in self.gallery.held:
            return False
        self._use(slot)
        return True

    @property
    def held(self) -> Held:
        """The keyframes, for :class:`sender.keyframes.refresh.Refresh`."""
        gallery = self.gallery
        return Held(dict(gallery.keyframes), frozenset(gallery.held), self._pictures.slot, self._newest_used)
