"""Writes a call to an MP4 file while it runs."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av

from codec.errors import system_reason
from codec.media.timing import RATE
from codec.media.types import Float32, UInt8
from codec.speech import LOOKAHEAD
from receiver.outputs.base import FRAME_MS
from receiver.outputs.video_file import OutputError, VideoFile

log = logging.getLogger(__name__)


class FileOutput:
    """MP4, written in a separate thread. It starts with the first picture's tick; sound isn't stretched,
    so sync can't drift.

    The file gets its name when it is finished; an older one is kept until then, and also if no picture
    ever arrives. If the disk fills up, what was written remains playable under the name with ``.part``.
    """

    smooth = False

    def __init__(self, path: Path, lag: int = LOOKAHEAD) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._file, self._pool = VideoFile(self._part, crf=16, lag=lag, live=True), ThreadPoolExecutor(1, "file-output")
        self._first: int | None = None
        self._file_ms = 0
        self._failed = ""
        self._waiting: deque[tuple[int, Float32]] = deque(maxlen=12)
        self._pieces: deque[tuple[int, int, int]] = deque(maxlen=16)  # ms: begin, end in the stream; begin in the file

    def _begin(self, at_ms: int, sound: Float32) -> None:
        """Append this tick to the file, whatever came before it: a stream that restarts simply continues there."""
        length = len(sound) * 1000 // RATE
        self._pieces.append((at_ms, at_ms + length, self._file_ms))
        self._file_ms += length
        self._pool.submit(self._write, self._file.sound, sound)

    def _write(self, write: Callable[..., None], *what: Any) -> None:
        """A file that can't be written must not end the call."""
        if self._failed:
            return
        try:
            write(*what)
        except (OSError, av.error.FFmpegError) as error:
            self._failed = system_reason(error)
            log.error("%s ends here, the call goes on: %s", self._path, self._failed)

    def frame(self, number: int, rgb: UInt8) -> None:
        at = number * FRAME_MS
        if self._first is None:
            # Begin at the start of this frame's tick, with that tick's sound, which has already arrived.
            begin = max((ms for ms, _ in self._waiting if ms <= at), default=None)
            self._first = number if begin is None else -(-begin // FRAME_MS)
            for waiting, sound in self._waiting:
                if begin is not None and waiting >= begin:
                    self._begin(waiting, sound)
        for first, end, where in reversed(self._pieces):
            if first <= at < end:
                self._pool.submit(self._write, self._file.frame, (where + at - first) // FRAME_MS, rgb)
                return

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        if self._first is None:
            self._waiting.append((at_ms, exact))
        else:
            self._begin(at_ms, exact)

    @property
    def first(self) -> int | None:
        """The stream's frame number with which the file begins."""
        return self._first

    def close(self) -> None:
        """Finish the file. Raises :class:`OutputError` if it is incomplete."""
        self._pool.submit(self._write, self._file.close).result()
        if self._failed:
            with contextlib.suppress(OSError, av.error.FFmpegError):
                self._pool.submit(self._file.close).result()
        self._pool.shutdown()
        if self._failed:
            raise OutputError(f"{self._path} is not whole: {self._failed}; what was written is in {self._part}")
        if self._file.frames:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
