"""Making a tick's sound shorter or longer without changing its pitch: whole periods of the voice
are cut out or repeated, as the time-scale modification in WebRTC's NetEq does; silence is cut or
lengthened by any amount.
"""

import numpy as np

from codec.media.timing import RATE
from codec.media.types import Float32

PERIODS = (RATE // 400, RATE * 15 // 1000)
"""Samples of the shortest and the longest period that is cut or repeated: 2.5 ms and 15 ms."""
ALIKE = 0.8
"""Correlation above which two neighbouring periods are similar enough to cut or repeat one."""
QUIET = 0.003
"""Root mean square of what counts as silence: −50 dB."""
HOP = 160
"""Samples between two places that are tried."""


def fit(sound: Float32, change: int) -> Float32:
    """``sound`` (N,), longer or shorter by up to ``change`` samples (negative: shorter): as close
    to that as is possible inaudibly.

    Returns the same array if no change is possible. A change is made in several steps, each of one
    period; the ends stay as they are.
    """
    left = abs(change)
    while left >= PERIODS[0]:
        found = _step(sound, left, change < 0)
        if found is None:
            break
        left -= abs(len(found) - len(sound))
        sound = found
    return sound


def _step(sound: Float32, most: int, shorter: bool) -> Float32 | None:
    """Cut or repeat one period of at most ``most`` samples; None if no two neighbouring periods are similar."""
    longest = min(most, PERIODS[1])
    overlap = PERIODS[1]
    if len(sound) < 2 * overlap + longest:
        return None
    places = np.arange(0, len(sound) - longest - overlap + 1, HOP)
    energy = np.convolve(sound**2, np.ones(overlap + longest, np.float32), "valid")[places]
    quiet = int(np.argmin(energy))
    if energy[quiet] <= QUIET**2 * (overlap + longest):
        return _splice(sound, int(places[quiet]), longest, overlap, shorter)
    best, at, period = ALIKE, -1, 0
    lags = np.arange(PERIODS[0], longest + 1)
    for place in places:
        here = sound[place : place + overlap]
        ahead = np.lib.stride_tricks.sliding_window_view(sound[place + PERIODS[0] : place + longest + overlap], overlap)
        norm = np.sqrt((here @ here) * np.einsum("ij,ij->i", ahead, ahead)) + 1e-9
        alike = (ahead @ here) / norm
        i = int(alike.argmax())
        if alike[i] > best:
            best, at, period = float(alike[i]), int(place), int(lags[i])
    return _splice(sound, at, period, overlap, shorter) if at >= 0 else None


def _splice(sound: Float32, at: int, period: int, overlap: int, shorter: bool) -> Float32:
    """Cross-fade from what begins at ``at`` to what begins a period later, or back."""
    fade = np.linspace(0, 1, overlap, dtype=np.float32)
    here, later = sound[at : at + overlap], sound[at + period : at + period + overlap]
    if shorter:
        middle, rest = here * (1 - fade) + later * fade, sound[at + period + overlap :]
        return np.concatenate([sound[:at], middle, rest])
    middle, rest = later * (1 - fade) + here * fade, sound[at + overlap :]
    return np.concatenate([sound[: at + period], middle, rest])
