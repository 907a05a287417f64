"""The scenes of a video file: where it cuts, and which picture of each scene becomes a keyframe."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from codec.keyframe import Keyframe
from codec.media.types import UInt8
from codec.pictures.sampling import sample
from models.prepare.cuts import HEIGHT, WIDTH, CutDetector
from sender.capture.sources import Tick
from sender.framing import Framing
from sender.keyframes.choice import KEPT, KeyframeChoice
from sender.keyframes.gallery import nearest

ALIKE = 12.0
"""Mean difference of 8×8 pictures, in levels, up to which a keyframe is used again. In 90 % of the training clips a person
stays within 11 of the first picture for 90 % of the time; in 99 % of pairs two people differ by 14 or more."""


@dataclass
class Scenes:
    """``first``: the crop (256, 256, 3) with which the file begins, None where it has no pictures. ``cuts``: numbers of the
    ticks in which a cut lies. ``keyframes``: crops of the later scenes that show a face, by the number of their first tick."""

    first: UInt8 | None = None
    cuts: set[int] = field(default_factory=set)
    keyframes: dict[int, UInt8] = field(default_factory=dict)


def _thumbnail(rgb: UInt8) -> UInt8:
    return np.asarray(cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _apart(a: UInt8, b: UInt8) -> float:
    return float(np.abs(sample(a).astype(np.float32) - sample(b)).mean())


def find_scenes(ticks: Iterable[Tick], framing: Framing, choice: KeyframeChoice) -> Scenes:
    """Go through a file once. The candidates for each scene's keyframe are spread over the whole scene. Pass a fresh
    ``framing`` and ``choice``, set up like the stream's."""
    detector, cuts, begun, every = CutDetector(), set[int](), 0, 1
    found: dict[int, UInt8] = {}
    anything: UInt8 | None = None  # for a file without any face

    def end() -> None:
        nonlocal anything
        if choice.has_face:
            best = choice.best()
            found[begun] = next((crop for crop in found.values() if _apart(crop, best) <= ALIKE), best)
        elif anything is None and choice.candidates:
            anything = choice.best()

    for number, tick in enumerate(ticks):
        if sum(detector.update(_thumbnail(f)) for f in tick.frames if f is not None):  # not any(): it needs each frame
            end()
            cuts.add(number)
            begun, every, choice = number, 1, choice.new_choice()
            framing.cut()
        crop, _ = framing.see(tick)
        if crop is not None and (number - begun) % every == 0:
            choice.add(crop)
            if len(choice.candidates) == KEPT:
                choice.thin()
                every *= 2
    end()
    first = found.pop(min(found)) if found else anything
    return Scenes(first, cuts, found)


def slot_for(crop: UInt8, keyframes: dict[int, Keyframe]) -> int | None:
    """The slot of the keyframe most like ``crop``; None where none is :data:`ALIKE`."""
    found = nearest(crop, keyframes)
    return found[0] if found and found[1] <= ALIKE else None
