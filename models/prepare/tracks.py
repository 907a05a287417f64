"""From detections at 5 FPS to tracks (one face, one shot), and from tracks to spans with one fixed crop each."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from codec.media.timing import FRAME_RATE
from models.face.detector import Detection
from models.face.finder import overlap
from models.face.tracker import Crop, crop_around

EVERY = 5
"""Frames from one detection to the next: five a second, as often as at the sender."""
OVERLAP = 0.3
"""Least intersection over union from one detection to the next of the same face."""
PATIENCE = 2 * EVERY
"""Frames that a face may stay unseen before its track ends."""
WANDER = 0.15
"""How far a face may stray from the middle of a fixed crop, in crop sides: the sender's crop would
follow it, so in a call the network never sees it stray further."""
GROW = 0.25
"""How much a face's size may change in a fixed crop (logarithm)."""


@dataclass
class Track:
    """One face: the frames at which it was seen, and where."""

    frames: list[int] = field(default_factory=list)
    faces: list[Detection] = field(default_factory=list)

    def add(self, frame: int, face: Detection) -> None:
        self.frames.append(frame)
        self.faces.append(face)


class Tracks:
    """All tracks of one video. Call :meth:`look` and :meth:`cut` in order of time, :meth:`finish` at the end."""

    def __init__(self) -> None:
        self._open: list[Track] = []
        self._done: list[Track] = []

    def cut(self) -> None:
        """A new shot begins: its faces do not continue tracks of the last one."""
        self._done += self._open
        self._open = []

    def look(self, frame: int, faces: list[Detection]) -> None:
        """Add each face to the track that it overlaps most; the others begin new tracks."""
        self._done += [t for t in self._open if frame - t.frames[-1] > PATIENCE]
        self._open = [t for t in self._open if frame - t.frames[-1] <= PATIENCE]
        pairs = [(overlap(t.faces[-1], face)[0], i, j) for i, t in enumerate(self._open) for j, face in enumerate(faces)]
        taken: set[int] = set()
        given: set[int] = set()
        for share, i, j in sorted(pairs, reverse=True):
            if share >= OVERLAP and i not in taken and j not in given:
                self._open[i].add(frame, faces[j])
                taken.add(i)
                given.add(j)
        self._open += [Track([frame], [face]) for j, face in enumerate(faces) if j not in given]

    def finish(self) -> list[Track]:
        self.cut()
        return self._done


@dataclass(frozen=True)
class SpanLimits:
    """Requirements on a span. ``min_face`` in source pixels (BlazeFace's box, brows to chin), times in seconds.

    ``seen``: least share of the detections that found the face; ``outside``: share of the crop that may
    be outside the picture.
    """

    min_face: float = 80.0
    min_seconds: float = 2.0
    max_seconds: float = 10.0
    seen: float = 0.9
    outside: float = 0.25


@dataclass(frozen=True)
class Span:
    """Frames ``start .. stop`` of one track, seen through one crop; ``face`` is the median face
    height in source pixels."""

    start: int
    stop: int
    crop: Crop
    face: float


def _framing(faces: list[Detection]) -> tuple[Crop, float, bool]:
    """The sender's crop around the median face, that face's height, and whether every face stays
    well inside it."""
    height, width = (float(np.median([getattr(f, side) for f in faces])) for side in ("height", "width"))
    centres = np.array([f.centre for f in faces])
    x, y = np.median(centres, axis=0)
    crop = crop_around(replace(faces[0], x=float(x) - width / 2, y=float(y) - height / 2, width=width, height=height))
    strayed = np.abs(centres - (x, y)).max() / crop.side
    grown = max(abs(np.log(f.height / height)) for f in faces)
    return crop, height, bool(strayed <= WANDER and grown <= GROW)


def _outside(crop: Crop, width: int, height: int) -> float:
    w = min(crop.x + crop.side, width) - max(crop.x, 0.0)
    h = min(crop.y + crop.side, height) - max(crop.y, 0.0)
    return 1.0 - max(w, 0.0) * max(h, 0.0) / crop.side**2


def spans(track: Track, width: int, height: int, limits: SpanLimits, dropped: Counter[str]) -> list[Span]:
    """Cut ``track`` of a ``width`` by ``height`` video into spans that meet ``limits``, in order of time.

    A span that is too long is cut evenly; one whose face strays too far for a fixed crop is halved
    until it does not. ``dropped`` counts, by reason, the frames that are left out.
    """
    least, most = round(limits.min_seconds * FRAME_RATE), round(limits.max_seconds * FRAME_RATE)
    frames = [*track.frames, track.frames[-1] + 1]
    kept, waiting = [], [(0, len(track.frames))]
    while waiting:
        first, end = waiting.pop()
        start, stop, looks = frames[first], frames[end], end - first
        length = stop - start
        crop, face, steady = _framing(track.faces[first:end])
        parts = max(1 if steady else 2, -(-length // most))
        wanted = np.linspace(start, stop, parts + 1)[1:-1]
        edges = sorted({int(i) for i in np.searchsorted(frames, wanted)} - {first, end})
        if length < least:
            dropped["short"] += length
        elif edges:
            waiting += pairwise([first, *edges, end])
        elif not steady:
            dropped["unsteady"] += length
        elif face < limits.min_face:
            dropped["small"] += length
        elif looks * EVERY < limits.seen * length:
            dropped["unseen"] += length
        elif _outside(crop, width, height) > limits.outside:
            dropped["outside"] += length
        else:
            kept.append(Span(start, stop, crop, face))
    return sorted(kept, key=lambda s: s.start)
