"""The keyframes that one side has sent, by slot, and which of them the other side is known to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from codec.keyframe import Keyframe
from codec.media.types import UInt8
from codec.pictures.header import SLOTS
from codec.pictures.sampling import sample


@dataclass(frozen=True)
class Held:
    """What a stream knows of keyframes: by slot, the slots that the other side holds, the one in
    use, and whether another may be sent now."""

    keyframes: Mapping[int, Keyframe]
    slots: frozenset[int]
    current: int | None
    may_send: bool = True

    def limited(self, may_send: bool) -> "Held":
        """The same; another may be sent only if ``may_send`` is true as well."""
        return replace(self, may_send=self.may_send and may_send)


def nearest(crop: UInt8, keyframes: Mapping[int, Keyframe]) -> tuple[int, float] | None:
    """The slot whose 8×8 picture is most like that of ``crop`` (256, 256, 3), and their mean difference in levels;
    None for no keyframes."""
    small = sample(crop).astype(np.float32)
    apart = {slot: float(np.abs(keyframe.thumbnail - small).mean()) for slot, keyframe in keyframes.items()}
    return min(apart.items(), key=lambda pair: pair[1], default=None)


class Gallery:
    """Sixteen slots. A slot is given to a new keyframe when it is free, or else when it was used longest ago."""

    def __init__(self) -> None:
        self.keyframes: dict[int, Keyframe] = {}
        self.held: set[int] = set()
        """Slots whose keyframe the other side has said it holds."""
        self._order: list[int] = []  # the slot used longest ago first

    def add(self, keyframe: Keyframe, current: int | None) -> int:
        """Keep a keyframe; gives its slot, never ``current``. Until :meth:`confirm` is called,
        the other side is assumed not to have it."""
        slot = next((s for s in range(SLOTS) if s not in self.keyframes), None)
        if slot is None:
            slot = next(s for s in self._order if s != current)
        self.keyframes[slot] = keyframe
        self.held.discard(slot)
        self.used(slot)
        return slot

    def used(self, slot: int) -> None:
        """A picture refers to the slot: it is the last to be given away."""
        if not self._order or self._order[-1] != slot:
            self._order = [s for s in self._order if s != slot] + [slot]

    def confirm(self, slot: int, digest: bytes) -> bool:
        """The other side holds this keyframe in this slot; False where the slot has another by now, or none."""
        keyframe = self.keyframes.get(slot)
        if keyframe is None or keyframe.digest != digest:
            return False
        self.held.add(slot)
        return True

    def reconnected(self) -> None:
        """The other side may have started anew: what it holds must be said again."""
        self.held.clear()
