"""Video and sound files on the time grid: pictures at 25 FPS, sound mono at 16 kHz, both from the same zero."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from codec.errors import system_reason
from codec.media.frames import Upright, decoded, readable
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, UInt8

GAP_MOST = 60.0
"""Seconds between two pictures, or of silence between two pieces of sound, at most: more is a break in a file's clock, as are
times that go back. Pieces that were joined then follow each other."""
GAP_LEAST = 0.2
"""Seconds by which sound must lack for silence to stand for it."""


class SourceError(RuntimeError):
    """A file or device cannot be used; the message is one line for the user."""


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = system_reason(error)
        raise SourceError(f"cannot open {path}: {reason}") from error


def _video_start(container: av.container.InputContainer) -> float:
    stream = container.streams.video[0]
    return float(stream.start_time * stream.time_base) if stream.start_time is not None and stream.time_base else 0.0


def file_frames(path: Path) -> Iterator[UInt8]:
    """A file's pictures, RGB (H, W, 3) as :class:`codec.media.frames.Upright` gives them, held or
    dropped so that they lie on the 25 FPS grid. Raises :class:`SourceError`."""
    with _open(path) as container:
        if not container.streams.video:
            raise SourceError(f"{path} has no video")
        start, newest, at, upright = None, None, 0, Upright(container.streams.video[0])
        try:
            for frame in decoded(container):
                seconds = frame.time if frame.time is not None else at / FRAME_RATE
                start = seconds if start is None else start
                # Half a grid step of tolerance: a 25 FPS file with rounded times gives each of its pictures once.
                index = int((seconds - start) * FRAME_RATE + 0.5)
                if not at - FRAME_RATE <= index <= at + GAP_MOST * FRAME_RATE:
                    start, index = seconds - (at + 1) / FRAME_RATE, at + 1
                while newest is not None and at < index:
                    yield newest
                    at += 1
                newest = upright.array(frame)
        except av.error.FFmpegError as error:
            if newest is None:
                raise SourceError(f"cannot decode {path}: {system_reason(error)}") from error
        if newest is None:
            raise SourceError(f"{path} holds no pictures")
        yield newest


def expected_frames(path: Path) -> int | None:
    """About how many pictures :func:`file_frames` will give; None where the file doesn't tell, or isn't one."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            if stream.duration and stream.time_base:
                return round(stream.duration * stream.time_base * FRAME_RATE)
            return round(container.duration / av.time_base * FRAME_RATE) if container.duration else None
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return None


def file_sound(path: Path) -> Iterator[Float32]:
    """A file's sound in pieces, mono 16 kHz; nothing for a file without sound. Raises :class:`SourceError`."""
    with _open(path) as container:
        if not container.streams.audio:
            return
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        skip: int | None = None
        due: float | None = None  # when the next frame begins, by those before
        try:
            for frame in readable(container, container.streams.audio[0]):
                if skip is None:
                    # The picture's first moment is zero for both: sound that begins later is padded, earlier is cut.
                    skip = round((_video_start(container) - (frame.time or 0.0)) * RATE) if container.streams.video else 0
                    if skip < 0:
                        yield np.zeros(min(-skip, 600 * RATE), np.float32)
                        skip = 0
                at = frame.time
                if due is not None and at is not None and GAP_LEAST < at - due <= GAP_MOST:
                    lacking = np.zeros(round((at - due) * RATE), np.float32)
                    yield lacking[skip:]
                    skip = max(0, skip - len(lacking))
                due = None if at is None else at + frame.samples / frame.sample_rate
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()[0]
                    yield samples[skip:]
                    skip = max(0, skip - len(samples))
        except av.error.FFmpegError:
            pass  # what was decoded before the damage is used
        for piece in resampler.resample(None):
            yield piece.to_ndarray()[0]


class FileSound:
    """A sound file played as if it were a microphone; silence after its end."""

    def __init__(self, path: Path) -> None:
        self._pieces, self._rest = file_sound(path), np.zeros(0, np.float32)

    def read(self, count: int) -> Float32:
        while len(self._rest) < count:
            piece = next(self._pieces, None)
            if piece is None:
                self._rest = np.pad(self._rest, (0, count - len(self._rest)))
                break
            self._rest = np.concatenate([self._rest, piece])
        out, self._rest = self._rest[:count], self._rest[count:]
        return out

    def close(self) -> None:
        pass
