"""Finds the face mesh's points in every frame of a prepared cache: the shape input is trained with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.cache import Cache, write_per_frame
from models.data.clip import Clip
from models.data.mesh_points import FILE, POINTS
from models.face.detector import BlazeFace, Detector
from models.face.following import PointFollower
from models.face.landmarks import FaceMesh


def follow(cache: Cache, clip: Clip, detector: Detector, mesh: FaceMesh) -> npt.NDArray[np.float16]:
    """Points (frames, 468, 2) in pixels at 256×256 of every frame of a clip; zeros where no face was found."""
    out = np.zeros((clip.frames, POINTS, 2), np.float16)
    follower = PointFollower(detector, mesh)
    for at in range(clip.frames):
        points = follower.see(np.asarray(cache.rgb256(clip.start + at), np.uint8))
        if points is not None:
            out[at] = points
    return out


def prepare_points(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write ``points.npy``, (total frames, 468, 2) float16, into the prepared split ``folder``, and
    return its path.

    Does nothing when the file is there. Raises ``FileNotFoundError`` when the folder holds no
    cache. About 6 ms a frame on one core.
    """
    path = folder / FILE
    if path.exists():
        return path
    detector, mesh = BlazeFace(), FaceMesh()
    each = np.zeros((POINTS, 2), np.float16)
    return write_per_frame(folder, FILE, each, lambda cache, clip: follow(cache, clip, detector, mesh), "points: ", say)
