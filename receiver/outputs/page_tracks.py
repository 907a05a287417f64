"""The rendered stream for the page: pictures as an aiortc track, encoded as a camera's would be,
and sound as it is."""

import asyncio
import time
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack
from av import VideoFrame

from codec.media.scaler import Scaler
from codec.media.types import Float32, UInt8
from receiver.outputs.page_audio import AudioBroadcast

VIDEO_CLOCK = 90_000


class FaceTrack(MediaStreamTrack):
    """The newest picture, RGB (S, S, 3); repeats it after ``idle`` seconds, so that a page that
    joins late sees one."""

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


class PageOutput:
    """Output to the page: :attr:`video` goes over its peer connection, :attr:`voice` over a
    WebSocket (signaling/web/audio.py)."""

    smooth = True

    def __init__(self) -> None:
        self.video, self.voice = FaceTrack(), AudioBroadcast()

    def frame(self, number: int, rgb: UInt8) -> None:
        self.video.show(rgb)

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        self.voice.play(stretched)

    def close(self) -> None:
        self.video.stop()
        self.voice.stop()
