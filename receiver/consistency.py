"""How well a rendered frame agrees with what was sent: averaged down again, it must be the 8×8 picture.

A network can render a face that isn't there; the 8×8 picture is what the camera really saw. Where the
two differ, the viewer should know. High consistency doesn't prove the fine detail: 8×8 pixels don't
contain it, it comes from the keyframe.
"""

from collections import deque

import cv2
import numpy as np

from codec.media.types import Float32, UInt8

RECENT = 50
"""Frames that :attr:`ConsistencyMeter.worst_db` covers: two seconds."""
BEST_DB = 68.0
"""Upper end of the scale: an error below a tenth of a grey level."""


def consistency_db(rgb: UInt8, picture: Float32) -> float:
    """PSNR in dB, at most 68, of the frame (256, 256, 3) averaged to 8×8 against the sent picture
    (3, 8, 8) in [0, 1]."""
    small = cv2.resize(rgb, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32)
    error = float(((small - picture.transpose(1, 2, 0) * 255) ** 2).mean())
    return min(BEST_DB, 10 * float(np.log10(255**2 / max(error, 1e-3))))


class ConsistencyMeter:
    """The consistency of every frame shown: ``now_db`` of the newest, ``worst_db`` of the last two
    seconds, ``mean_db`` and ``lowest_db`` of all.

    All are None before the first frame.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._sum, self._count = 0.0, 0
        self.lowest_db: float | None = None

    def update(self, rgb: UInt8, picture: Float32) -> float:
        """Add a frame and the 8×8 picture that it was rendered from; returns its consistency in dB."""
        found = consistency_db(rgb, picture)
        self._recent.append(found)
        self._sum, self._count = self._sum + found, self._count + 1
        self.lowest_db = found if self.lowest_db is None else min(found, self.lowest_db)
        return found

    @property
    def now_db(self) -> float | None:
        return self._recent[-1] if self._recent else None

    @property
    def worst_db(self) -> float | None:
        return min(self._recent) if self._recent else None

    @property
    def mean_db(self) -> float | None:
        return self._sum / self._count if self._count else None
