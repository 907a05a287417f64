"""The rendered stream as aiortc tracks, for the page. aiortc encodes them as it would a camera."""

import asyncio
import time
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

from receiver.outputs import PlayBuffer
from sender.scaler import Scaler
from sender.speech import RATE

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

VIDEO_CLOCK = 90_000
PIECE = RATE // 50


class FaceTrack(MediaStreamTrack):
    """The newest picture, RGB (S, S, 3); repeats it after ``idle`` seconds, so that a page that joins late sees one."""

    kind = "video"

    def __init__(self, idle: float = 0.5) -> None:
        super().__init__()
        self._newest, self._scaler = np.full((256, 256, 3), 24, np.uint8), Scaler("yuv420p")
        self._fresh, self._idle, self._start = asyncio.Event(), idle, time.monotonic()

    def show(self, rgb: UInt8) -> None:
        self._newest = rgb
        self._fresh.set()

    async def recv(self) -> VideoFrame:
        try:
            async with asyncio.timeout(self._idle):
                await self._fresh.wait()
        except TimeoutError:
            pass
        self._fresh.clear()
        frame = self._scaler.picture(self._newest)
        frame.pts = int((time.monotonic() - self._start) * VIDEO_CLOCK)
        frame.time_base = Fraction(1, VIDEO_CLOCK)
        return frame


class VoiceTrack(MediaStreamTrack):
    """The sound in pieces of 20 ms, on a steady clock; silence where there is none."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._buffer, self._sent, self._start = PlayBuffer(), 0, 0.0

    def play(self, samples: Float32) -> None:
        self._buffer.write(samples)

    async def recv(self) -> AudioFrame:
        self._start = self._start or time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self._sent / RATE - time.monotonic()))
        pcm = (np.clip(self._buffer.read(PIECE), -1, 1) * 32767).astype(np.int16)[None]
        frame = AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, Fraction(1, RATE)
        self._sent += PIECE
        return frame


class PageOutput:
    """Output to the page: :attr:`video` and :attr:`voice` are handed to its peer connection."""

    smooth = True

    def __init__(self) -> None:
        self.video, self.voice = FaceTrack(), VoiceTrack()

    def frame(self, number: int, rgb: UInt8) -> None:
        self.video.show(rgb)

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        self.voice.play(stretched)

    def close(self) -> None:
        self.video.stop()
        self.voice.stop()
