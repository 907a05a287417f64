"""What every output of a call offers."""

from typing import Protocol

import numpy as np

from codec.media.timing import FRAME_RATE
from codec.media.types import Float32, UInt8


class Output(Protocol):
    """Takes frames and sound when they are due; called on the event loop, so it must not block.

    ``smooth``: it also takes frames between those of the grid, if there are any; such a frame has the
    number of the next one.
    """

    smooth: bool

    def frame(self, number: int, rgb: UInt8) -> None:
        """Frame ``number`` on the stream's 25 FPS grid, RGB (256, 256, 3), to be shown now."""

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        """The sound, mono 16 kHz, of the tick that begins ``at_ms`` after the stream began, to be heard
        from now on: ``exact`` as decoded, and ``stretched`` to the length that the clock needs."""

    def close(self) -> None:
        """Finish; may block."""


GREY = np.full((256, 256, 3), 40, np.uint8)
"""Shown when the peer's camera is off."""
FRAME_MS = 1000 // FRAME_RATE
