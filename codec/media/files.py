"""Video and sound files on the time grid: pictures at 25 FPS, sound mono at 16 kHz, with a common time zero."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from codec.errors import system_reason
from codec.media.frame_times import GAP_MOST, on_grid
from codec.media.frames import Upright, decoded, readable
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, UInt8

GAP_LEAST = 0.2
"""Shortest gap in the sound, in seconds, that is filled with silence."""


class SourceError(RuntimeError):
    """A file or device cannot be used; the message is one line for the user."""


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = system_reason(error)
        raise SourceError(f"cannot open {path}: {reason}") from error


def _until_damaged(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    """The frames as far as they can be decoded. Raises :class:`SourceError` where none can."""
    any_came = False
    try:
        for frame in frames:
            any_came = True
            yield frame
    except av.error.FFmpegError as error:
        if not any_came:
            raise SourceError(f"cannot decode {path}: {system_reason(error)}") from error
    if not any_came:
        raise SourceError(f"{path} holds no pictures")


def file_frames(path: Path) -> Iterator[UInt8]:
    """A file's pictures, RGB (H, W, 3) as :class:`codec.media.frames.Upright` makes them, repeated or
    dropped to fit the 25 FPS grid. Raises :class:`SourceError`."""
    with _open(path) as container:
        if not container.streams.video:
            raise SourceError(f"{path} has no video")
        upright = Upright(container.streams.video[0])
        shown, picture = None, None
        for frame in on_grid(_until_damaged(decoded(container), path)):
            if picture is None or frame is not shown:
                shown, picture = frame, upright.array(frame)
            yield picture


def _first_picture(path: Path) -> float:
    """When the first picture that can be decoded is shown, in seconds of the file's clock: later than the stream's start
    in a file that was cut. 0 if there is none."""
    with _open(path) as container:
        try:
            frame = next(decoded(container, threads=1), None) if container.streams.video else None
        except av.error.FFmpegError:
            frame = None
        return frame.time or 0.0 if frame is not None else 0.0


def expected_frames(path: Path) -> int | None:
    """About how many pictures :func:`file_frames` will yield; None if the file states no duration or is no video."""
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
        to_mono = _ToMono()
        skip: int | None = None
        due: float | None = None  # when the next frame should begin, by those before it
        try:
            for frame in readable(container, container.streams.audio[0]):
                at, lasts = frame.time, frame.samples / frame.sample_rate
                if skip is None:
                    # The first picture is time zero for both: sound that begins later is padded, earlier sound is cut.
                    skip = round((_first_picture(path) - (at or 0.0)) * RATE) if container.streams.video else 0
                    if skip < 0:
                        yield np.zeros(min(-skip, 600 * RATE), np.float32)
                        skip = 0
                lacking = at - due if at is not None and due is not None else 0.0
                if GAP_LEAST < lacking <= GAP_MOST:
                    silence = np.zeros(round(lacking * RATE), np.float32)
                    yield silence[skip:]
                    skip = max(0, skip - len(silence))
                # Smaller gaps accumulate: many of them make one that is filled.
                due = at if due is None or abs(lacking) > GAP_LEAST else due
                due = None if due is None else due + lasts
                for samples in to_mono.convert(frame):
                    yield samples[skip:]
                    skip = max(0, skip - len(samples))
        except av.error.FFmpegError:
            pass  # what was decoded before the damage is used
        yield from to_mono.rest()


class _ToMono:
    """Any sound frames → mono samples at 16 kHz. Rate and channels may change within a stream, as in broadcasts."""

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._made_for: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[Float32]:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or kind != self._made_for:
            yield from self.rest()
            self._resampler, self._made_for = av.AudioResampler(format="flt", layout="mono", rate=RATE), kind
        for piece in self._resampler.resample(frame):
            yield piece.to_ndarray()[0]

    def rest(self) -> Iterator[Float32]:
        """The samples that the resampler still holds."""
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                yield piece.to_ndarray()[0]
        self._resampler = None


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

    @property
    def over(self) -> bool:
        """Whether nothing is left but silence."""
        while not len(self._rest) and (piece := next(self._pieces, None)) is not None:
            self._rest = piece
        return not len(self._rest)

    def close(self) -> None:
        pass
