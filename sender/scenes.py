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
from sender.keyframes.choice import KeyframeChoice
from sender.keyframes.gallery import nearest
from sender.keyframes.outgoing import CHOICE_TICKS, CHOICE_TICKS_MAX

ALIKE = 12.0
"""Mean difference of 8×8 pictures, in levels, up to which a keyframe is used again. In 90 % of the training clips a person
stays within 11 of the first picture for 90 % of the time; in 99 % of pairs two people differ by 14 or more."""


@dataclass
class Scenes:
    """``cuts``: numbers of the ticks in which a cut lies. ``keyframes``: crop (256, 256, 3) of the
    scenes that show a face, by the number of their first tick."""

    cuts: set[int] = field(default_factory=set)
    keyframes: dict[int, UInt8] = field(default_factory=dict)


def _thumbnail(rgb: UInt8) -> UInt8:
    return np.asarray(cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _apart(a: UInt8, b: UInt8) -> float:
    return float(np.abs(sample(a).astype(np.float32) - sample(b)).mean())


def find_scenes(ticks: Iterable[Tick], framing: Framing, choice: KeyframeChoice) -> Scenes:
    """Look through a file once. Pass a fresh ``framing`` and ``choice``, set up like the stream's."""
    scenes, detector, begun = Scenes(), CutDetector(), 0

    def end() -> None:
        if choice.has_face:
            best = choice.best()
            scenes.keyframes[begun] = next((crop for crop in scenes.keyframes.values() if _apart(crop, best) <= ALIKE), best)

    for number, tick in enumerate(ticks):
        if sum(detector.update(_thumbnail(f)) for f in tick.frames if f is not None):  # each must be seen
            end()
            scenes.cuts.add(number)
            begun, choice = number, choice.anew()
            framing.cut()
        crop, _ = framing.see(tick)
        if crop is not None and choice.tried < (CHOICE_TICKS if choice.has_face else CHOICE_TICKS_MAX):
            choice.add(crop)
    end()
    return scenes


def slot_for(crop: UInt8, keyframes: dict[int, Keyframe]) -> int | None:
    """The slot of the keyframe most like ``crop``; None where none is :data:`ALIKE`."""
    found = nearest(crop, keyframes)
    return found[0] if found and found[1] <= ALIKE else None
