"""Where the cache keeps the face mesh's points of every frame."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = "points.npy"
POINTS = 468
"""Points of the mesh."""


def load_points(folder: Path) -> npt.NDArray[np.float16] | None:
    """What :func:`models.data.find_points.prepare_points` wrote into the prepared split ``folder``,
    (total frames, 468, 2) in pixels at 256×256; None where it hasn't run."""
    path = folder / FILE
    return np.load(path, mmap_mode="r") if path.exists() else None
