"""Where pictures and sound come from: files (PyAV), a camera (OpenCV), a microphone (sounddevice), aiortc tracks.

Everything is laid on one grid: pictures at 25 FPS, sound mono at 16 kHz, both from the same zero.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt

from codec.errors import system_reason
from codec.media.frames import Upright, decoded
from sender.sound_queue import RATE, Float32, SoundQueue

UInt8 = npt.NDArray[np.uint8]

FRAME_RATE = 25


class SourceError(RuntimeError):
    """A file or device cannot be used; the message is one line for the user."""


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = system_reason(error)
        raise SourceError(f"cannot open {path}: {reason}") from error


def _video_start(container: av.container.InputContainer) -> float:
    stream = container.streams.video[0]
    return float(stream.start_time * stream.time_base) if stream.start_time is not None and stream.time_base else 0.0


def file_frames(path: Path) -> Iterator[UInt8]:
    """A file's pictures, RGB (H, W, 3) as :class:`codec.media.frames.Upright` gives them, held or dropped so that they lie on the
    25 FPS grid. Raises :class:`SourceError`."""
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
        with av.open(str(path)) as container:
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
        try:
            for frame in container.decode(audio=0):
                if skip is None:
                    # The picture's first moment is zero for both: sound that begins later is padded, earlier is cut.
                    skip = round((_video_start(container) - (frame.time or 0.0)) * RATE) if container.streams.video else 0
                    if skip < 0:
                        yield np.zeros(min(-skip, 600 * RATE), np.float32)
                        skip = 0
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()[0]
                    yield samples[skip:]
                    skip = max(0, skip - len(samples))
        except av.error.FFmpegError:
            pass  # what was decoded before the damage is used
        for piece in resampler.resample(None):
            yield piece.to_ndarray()[0]


class VideoInput(Protocol):
    """A live picture source."""

    def latest(self) -> UInt8 | None:
        """The newest picture, RGB (H, W, 3), or None before the first."""

    def close(self) -> None: ...


class AudioInput(Protocol):
    """A live sound source."""

    def read(self, count: int) -> Float32:
        """``count`` samples; silence stands for what has not come."""

    def close(self) -> None: ...


class SampleBuffer:
    """Samples between a device's thread and the tick, so that sound is hardly older than the picture beside it.

    What came before the first read is dropped but for :data:`FIRST`, what lies there at every read taken away. What is missing is
    silence, and lies there the next time. More than :data:`SLACK` is dropped at once.
    """

    LIMIT = RATE // 2
    FIRST, SPARE, SLACK = (RATE * ms // 1000 for ms in (40, 30, 120))
    """Samples left over after the first read at most; always; and at all: sound servers deliver in pieces of up to a tenth of a
    second. The spare is for pieces of 20 ms that a clock a little off lets come now just before a read, now just after."""

    def __init__(self) -> None:
        self._lock, self._queue, self._begun = threading.Lock(), SoundQueue(self.SPARE), False
        self.dropped = self.missing = 0

    def write(self, samples: Float32) -> None:
        with self._lock:
            self._queue.put(samples)
            self.dropped += self._queue.forget(len(self._queue) - self.LIMIT)

    def read(self, count: int) -> Float32:
        with self._lock:
            self.dropped += self._queue.forget(len(self._queue) - count - (self.SLACK if self._begun else self.FIRST))
            self.dropped += self._queue.settle(len(self._queue) - count)
            self._begun, out = True, self._queue.take(count)
        self.missing += count - len(out)
        return np.pad(out, (0, count - len(out)))


class Freshest:
    """The newest picture of a live source; one that has grown old is none, so that a dead camera isn't taken for a still face."""

    STALE = 1.0
    """Seconds."""

    def __init__(self) -> None:
        self._held: tuple[float, UInt8] | None = None

    def put(self, picture: UInt8) -> None:
        self._held = time.monotonic(), picture

    def get(self) -> UInt8 | None:
        held = self._held
        return held[1] if held and time.monotonic() - held[0] < self.STALE else None


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


class TrackVideo:
    """Any aiortc video track (a browser's camera, say); make it inside a running event loop."""

    def __init__(self, track: object) -> None:
        self._newest = Freshest()
        self._task = asyncio.ensure_future(self._work(track))

    async def _work(self, track: object) -> None:
        from aiortc.mediastreams import MediaStreamError

        upright = Upright()
        try:
            while True:
                self._newest.put(upright.array(await track.recv()))  # type: ignore[attr-defined]
        except MediaStreamError:
            pass

    def latest(self) -> UInt8 | None:
        return self._newest.get()

    def close(self) -> None:
        self._task.cancel()


class TrackSound:
    """Any aiortc audio track; make it inside a running event loop."""

    def __init__(self, track: object) -> None:
        self._buffer, self._resampler = SampleBuffer(), av.AudioResampler(format="flt", layout="mono", rate=RATE)
        self._task = asyncio.ensure_future(self._work(track))

    async def _work(self, track: object) -> None:
        from aiortc.mediastreams import MediaStreamError

        try:
            while True:
                for piece in self._resampler.resample(await track.recv()):  # type: ignore[attr-defined]
                    self._buffer.write(piece.to_ndarray()[0])
        except MediaStreamError:
            pass

    def read(self, count: int) -> Float32:
        return self._buffer.read(count)

    def close(self) -> None:
        self._task.cancel()
