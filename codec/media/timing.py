"""The common time grid of pictures and sound: 25 frames and 16,000 samples a second, with a common time zero."""

RATE = 16_000
"""Samples a second of all sound, mono."""
FRAME_RATE = 25
"""Frames a second, as shown and as read from a source."""


def grid(at_ms: int, tick_ms: int) -> range:
    """Numbers of the 25 FPS frames in the tick that begins ``at_ms`` after the stream's start."""
    step = 1000 // FRAME_RATE
    return range(-(-at_ms // step), -(-(at_ms + tick_ms) // step))
