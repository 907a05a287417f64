"""From the camera's pictures to the crop that is sent, and to what the bundle reports about the face."""

from collections.abc import Callable
from typing import Literal

from codec.bundle import Face
from codec.media.timing import grid
from codec.media.types import UInt8
from models.face.detector import Detector
from models.face.finder import Mesh
from models.face.tracker import SIDE, Crop, Tracker, whole
from sender.capture.sources import Tick


class Framing:
    """One person before one camera. Feed it ticks in order.

    Attributes:
        away, camera_off: set from outside; nothing is shown then.
        crop: where the newest crop lies in the picture; None before the first.
        placed: the newest tick's pictures, each with its crop; none while nothing is shown.
        on_crops: called with the number of a tick's first frame and the tick's crops.
    """

    def __init__(self, mode: Literal["face", "none"], detector: Detector, mesh: Mesh) -> None:
        """``mode``: "face" follows the face, "none" takes the frame as it is."""
        self.tracker = Tracker(detector, mesh)
        self.away = self.camera_off = False
        self.crop: Crop | None = None
        self.placed: list[tuple[UInt8, Crop]] = []
        self.on_crops: Callable[[int, list[UInt8]], None] | None = None
        self._mode = mode
        self._nothing_seen = False  # in the last tick

    @property
    def hidden(self) -> bool:
        """Whether nothing is shown: then no keyframe is offered or sent."""
        return self.away or self.camera_off or self._nothing_seen

    @property
    def enlarged(self) -> float:
        """How many times the face is enlarged to be shown at 256×256: above 1 it is too far from the
        camera to be sharp."""
        return float(SIDE / max(self.crop.side, 1.0)) if self.crop is not None and self._mode == "face" else 1.0

    def cut(self) -> None:
        """The next picture shows another scene: the crop jumps to the face there."""
        self.tracker.reset()
        self.crop = None

    def rewind(self) -> None:
        """A file is read a second time, from its beginning."""
        self.tracker.rewind()
        self.crop = None

    def see(self, tick: Tick, at_ms: int | None = None, tick_ms: int = 200) -> tuple[UInt8 | None, Face]:
        """(the crop (256, 256, 3) of a tick's last picture, None while hidden; the face in it).

        ``at_ms``: where the tick begins in the stream, for :attr:`on_crops`; None: that isn't called.
        """
        frames = [f for f in tick.frames if f is not None]
        self._nothing_seen = not frames
        if self.hidden:
            self.cut()
            self.placed = []
            return None, Face.AWAY if self.away else Face.CAMERA_OFF
        newest, before = frames[-1], self.crop
        if self._mode == "none":
            self.crop, face = whole(newest), Face.TRACKED
        else:
            self.crop, face = self.tracker.update(newest)
        before = before or self.crop
        self.placed = [(f, before.towards(self.crop, (i + 1) / len(frames))) for i, f in enumerate(frames)]
        if self.on_crops and at_ms is not None:
            self.on_crops(grid(at_ms, tick_ms)[0], self.crops)
        return self.crop.cut(newest), face

    @property
    def crops(self) -> list[UInt8]:
        """The newest tick's crops, (256, 256, 3) each."""
        return [crop.cut(frame) for frame, crop in self.placed]
