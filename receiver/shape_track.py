"""The face's shape from bundles to frames: decoded when it arrives, expanded to frames when its tick is due."""

import numpy as np

from codec.bundle import Bundle
from codec.media.types import Float32, Int32
from codec.pictures.header import PictureHeader
from codec.shape.basis import movements
from codec.shape.shape import Shape, ShapeDecoder, frames_of, interpolate
from models.face.shape_points import network_points

KEPT = 64
"""Shapes whose number differs by more than this from the newest one's no longer wait for their tick."""


def relative_to_keyframe(shape: Float32 | None, points: Float32 | None) -> Float32 | None:
    """A frame's shape (2, 54, 2) as the network takes it, with another keyframe's ``points`` (54, 2), in pixels, in place
    of its own."""
    if shape is None or points is None:
        return None
    return np.stack([network_points(points), shape[1]])


class ShapeTrack:
    """One stream's shapes on the receiving side."""

    def __init__(self) -> None:
        self._decoder = ShapeDecoder()
        self._points: dict[int, Float32 | None] = {}  # of the keyframes, in pixels
        self._waiting: dict[int, Shape] = {}
        self._before: Shape | None = None  # where the next tick's movement begins
        self._held: Shape | None = None  # what a lost tick shows
        self._pending: tuple[Int32, Shape] | None = None  # where the next tick begins and ends, if it has no bundle

    def set_keyframe(self, slot: int, points: Float32 | None) -> None:
        """``points`` (54, 2) of the keyframe's face; None if it has none."""
        self._points[slot] = points

    def reset(self) -> None:
        """Forget what was shown: the camera is off."""
        self._before = self._held = self._pending = None

    def arrived(self, number: int, header: PictureHeader, data: bytes) -> None:
        """Decode the shape that came with the decoded picture ``number``. Raises :class:`codec.errors.CodecError`."""
        self.forget(number)
        self._waiting[number] = self._decoder.decode(number, header, data)
        # Another thread takes shapes out meanwhile, when their ticks are due.
        for old in [n for n in list(self._waiting) if KEPT < (number - n) & 0xFFFF < 0x10000 - KEPT]:
            self._waiting.pop(old, None)

    def forget(self, number: int) -> None:
        """Picture ``number`` came without a shape: drop that of an earlier picture with the same number."""
        self._waiting.pop(number, None)
        self._decoder.forget(number)

    def tick(self, bundle: Bundle | None, picture_decoded: bool, count: int) -> list[Float32 | None]:
        """The ``count`` frames of a tick: the keyframe's points and the frame's own, (2, 54, 2) as the
        network takes them; None where they are not known.

        ``bundle`` None: lost or omitted; ``picture_decoded``: its picture could be decoded.
        """
        pending, self._pending = self._pending, None
        if bundle is None or not picture_decoded:
            if bundle is not None and bundle.shape is None:
                self._before = None
            return self._without(pending if bundle is None else None, count)
        shape, before = self._waiting.pop(bundle.number, None), self._before
        self._before = self._held = shape
        if shape is None:
            return [None] * count
        if not bundle.pausing:
            return self._shown(shape.slot, frames_of(shape, before, count))
        start = before.end if before is not None and before.slot == shape.slot else shape.end
        middle = (start + shape.end) // 2
        self._pending = middle, shape
        return self._shown(shape.slot, interpolate(start, middle, count))

    def _without(self, pending: tuple[Int32, Shape] | None, count: int) -> list[Float32 | None]:
        """A tick without a bundle. If the previous bundle announced it, that bundle's movement continues to its end;
        otherwise the face stays where it is."""
        if pending is not None:
            middle, shape = pending
            self._before, self._held = None, shape  # the sender's interpolation restarts, too
            return self._shown(shape.slot, interpolate(middle, shape.end, count))
        if self._held is None:
            return [None] * count
        return self._shown(self._held.slot, np.repeat(self._held.end[None], count, 0))

    def _shown(self, slot: int, values: Int32) -> list[Float32 | None]:
        key = self._points.get(slot)
        if key is None:
            return [None] * len(values)
        return [np.stack([network_points(key), network_points(key + moved)]) for moved in movements(values)]
