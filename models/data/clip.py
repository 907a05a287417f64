"""A clip of the training data, and the sides and the tick of its frames. Needs no video library."""

from dataclasses import dataclass

SIDE = 256
COARSE = 64
TICK = 5
"""Video frames in a tick: 25 FPS over 5 pictures a second."""


@dataclass(frozen=True)
class Clip:
    """One clip in the cache: frames ``start .. start + frames``, mel rows ``mel_start .. mel_start
    + mel_frames``."""

    name: str
    identity: str
    start: int
    frames: int
    mel_start: int
    mel_frames: int
