"""A video of any size and rate, fitted to the 25 FPS grid: pictures one at a time, sound at 16 kHz."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from codec.errors import system_reason
from codec.media.files import file_sound
from codec.media.frame_times import on_grid
from codec.media.frames import Upright, decoded
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32

SAMPLES = RATE // FRAME_RATE
"""Sound samples in a frame of the grid."""
LONGEST_GAP = 10 * FRAME_RATE
"""Most frames for which one picture may be repeated: a longer one shows no moving face."""


class VideoError(ValueError):
    """A video that can't be used; the message is one line without the file's name."""


def grid_frames(path: Path) -> Iterator[tuple[av.VideoFrame, Upright]]:
    """The frames of ``path``, repeated or dropped so that there are 25 a second, each with what converts
    it, because few are looked at.

    The grid is that of :func:`codec.media.files.file_frames`. Raises :class:`VideoError`, also
    in the middle of a damaged file.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise VideoError("no video in it")
            upright = Upright(container.streams.video[0])
            newest, held = None, 0
            # One process works on one video, and there are as many as cores.
            for frame in on_grid(decoded(container, threads=1)):
                newest, held = frame, held + 1 if frame is newest else 1
                if held > LONGEST_GAP:
                    raise VideoError(f"no picture for more than {LONGEST_GAP / FRAME_RATE:.0f} s")
                yield frame, upright
            if newest is None:
                raise VideoError("no pictures in it")
    except av.error.FFmpegError as error:
        raise VideoError(f"cannot decode: {system_reason(error)}") from error


def sound_of(path: Path) -> Float32 | None:
    """Mono sound at 16 kHz from the first picture on, in [-1, 1]; None for a video without any."""
    pieces = [piece for piece in file_sound(path) if len(piece)]
    return np.concatenate(pieces) if pieces else None
