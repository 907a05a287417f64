"""MP4 output: H.264 pictures at 25 FPS and AAC sound, in sync by frame number and sample count."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from codec.errors import system_reason
from codec.media.scaler import Scaler
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, UInt8


class OutputError(RuntimeError):
    """The output cannot be written; the message is one line for the user."""


def check_name(path: Path, suffix: str) -> None:
    """Refuse a folder, and a name with another suffix. Raises :class:`OutputError`."""
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.suffix.lower() != suffix:
        raise OutputError(f"cannot write {path}: it must be named {suffix}")


class VideoFile:
    """Writes one MP4. Frames may skip numbers (the last is repeated); sound is appended in order.
    Close it to finish."""

    def __init__(self, path: Path, crf: int = 14, lag: int = 0, silent: bool = False, live: bool = False) -> None:
        """``lag``: samples by which the sound arrives late (the speech codec's lookahead), dropped
        at the start. ``silent``: there will be no sound, and the file gets no track for it. ``live``: what was written
        can be played if the file is never finished (the MP4 is fragmented until it is closed).

        Raises :class:`OutputError`.
        """
        try:
            # Opened here, because PyAV would report an unwritable path only at the first frame.
            self._handle = path.open("wb")
            options = {"movflags": "hybrid_fragmented"} if live else {}
            self._container = av.open(self._handle, "w", format="mp4", options=options)
        except (OSError, av.error.FFmpegError) as error:
            raise OutputError(f"cannot write {str(path).removesuffix('.part')}: {system_reason(error)}") from error
        self._video = self._container.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(crf), "preset": "veryfast"})
        self._video.width = self._video.height = 256
        self._video.pix_fmt = "yuv420p"
        self._audio = None if silent else self._container.add_stream("aac", rate=RATE, layout="mono")
        self._last: UInt8 | None = None
        self._scaler = Scaler("yuv420p")
        self._next, self._heard, self._skip = 0, 0, lag
        self._closed = False

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._next

    def _put(self, rgb: UInt8) -> None:
        picture = self._scaler.picture(rgb)
        picture.pts, picture.time_base = self._next, Fraction(1, FRAME_RATE)
        self._container.mux(self._video.encode(picture))
        self._next += 1

    def frame(self, number: int, rgb: UInt8) -> None:
        """Frame ``number`` (counted from the first of the file), RGB (256, 256, 3); one that comes
        too late is left out."""
        if number < self._next:
            return
        fill = self._last if self._last is not None else rgb
        while self._next < number:
            self._put(fill)
        self._put(rgb)
        self._last = rgb

    def hold(self, until: int) -> None:
        """Repeat the last frame until ``until`` frames are in the file; grey before the first."""
        fill = self._last if self._last is not None else np.full((256, 256, 3), 64, np.uint8)
        while self._next < until:
            self._put(fill)

    def sound(self, samples: Float32) -> None:
        """Mono 16 kHz samples in [-1, 1]."""
        skip = min(self._skip, len(samples))
        self._skip -= skip
        samples = samples[skip:]
        if not len(samples) or self._audio is None:
            return
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._heard, Fraction(1, RATE)
        self._heard += len(samples)
        self._container.mux(self._audio.encode(frame))

    def close(self) -> None:
        """Flush and finish the file; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._container.mux(self._video.encode(None))
            if self._audio is not None:
                self._container.mux(self._audio.encode(None))
        finally:
            try:
                self._container.close()
            finally:
                self._handle.close()
