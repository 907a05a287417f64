"""The one time grid of pictures and sound: 25 frames and 16,000 samples a second, both from the same zero."""

RATE = 16_000
"""Samples a second of all sound, mono."""
FRAME_RATE = 25
"""Frames a second that are shown, and that are read from a source."""


def grid(at_ms: int, tick_ms: int) -> range:
    """Numbers of the 25 FPS frames that lie in the tick that begins ``at_ms`` after the stream."""
    step = 1000 // FRAME_RATE
    return range(-(-at_ms // step), -(-(at_ms + tick_ms) // step))
