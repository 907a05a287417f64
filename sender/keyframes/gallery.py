"""The keyframes that this side has sent, by slot, and which of them the peer is known to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from codec.keyframe import Keyframe
from codec.media.types import UInt8
from codec.pictures.header import SLOTS
from codec.pictures.sampling import sample


@dataclass(frozen=True)
class Held:
    """What a stream knows about its keyframes: the keyframes by slot, the slots that the peer holds, the
    one in use, and whether another may be sent now."""

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
    """Sixteen slots. A new keyframe gets a free slot, or else the one that was used longest ago."""

    def __init__(self) -> None:
        self.keyframes: dict[int, Keyframe] = {}
        self.held: set[int] = set()
        """Slots whose keyframe the peer has confirmed."""
        self._order: list[int] = []  # the slot used longest ago first

    def add(self, keyframe: Keyframe, current: int | None) -> int:
        """Keep a keyframe; returns its slot, never ``current``. Until :meth:`confirm` is called,
        the peer is assumed not to have it."""
        slot = next((s for s in range(SLOTS) if s not in self.keyframes), None)
        if slot is None:
            slot = next(s for s in self._order if s != current)
        self.keyframes[slot] = keyframe
        self.held.discard(slot)
        self.used(slot)
        return slot

    def used(self, slot: int) -> None:
        """A picture refers to the slot: it becomes the last to be reused."""
        if not self._order or self._order[-1] != slot:
            self._order = [s for s in self._order if s != slot] + [slot]

    def confirm(self, slot: int, digest: bytes) -> bool:
        """The peer holds this keyframe in this slot; False if the slot now has another, or none."""
        keyframe = self.keyframes.get(slot)
        if keyframe is None or keyframe.digest != digest:
            return False
        self.held.add(slot)
        return True

    def reconnected(self) -> None:
        """The peer may have restarted: it must confirm again what it holds."""
        self.held.clear()
