"""Which frames of a clip are judged, when judging all of them takes too long.

A codec's frames aren't equally good: pictures are sent at 5 or 12.5 FPS, so a frame's place between
them decides how good it is and whether it moves. Every 50th frame would always have the same place;
here the places take turns.
"""

PLACES = (6, 9, 2, 5, 8, 1, 4, 7, 0, 3)
"""Last digits of the judged frames' numbers, in turn: every place in a group of 2, 5 or 10 frames
occurs equally often, and even the first three or four are on average about as far from every fifth
frame as all of them."""


def sampled(frames: int, every: int) -> list[int]:
    """Numbers of the judged frames of a clip of ``frames`` frames, in order, at least one.

    They lie near the middle of each stretch of ``every`` frames, shifted by up to five frames to take
    the :data:`PLACES` in turn. With ``every`` below 10 there is no room for that: use 1, 3, 7 or 9,
    whose multiples have every place.
    """
    middles = range(every // 2, frames, every)
    if every < len(PLACES):
        return list(middles) or [frames - 1]
    found = [n + (PLACES[i % len(PLACES)] - n + 5) % 10 - 5 for i, n in enumerate(middles)]
    return sorted({n if n < frames else max(n - 10, 0) for n in found}) or [frames - 1]
