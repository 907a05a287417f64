"""Ticks of pictures and sound, from a file as fast as possible, or live against the wall clock."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Protocol

import numpy as np

from codec.media.files import FileSound, file_frames
from codec.media.timing import FRAME_RATE, RATE, grid
from codec.media.types import Float32, UInt8
from sender.capture.inputs import AudioInput, VideoInput

GLIMPSES = 5
"""Ticks of a file that are looked at before the stream begins: the file's first second."""
GLIMPSE_EVERY = 0.1
"""Seconds between two looks at a camera before the stream."""


@dataclass
class Tick:
    """What was captured in one tick.

    ``frames``: its pictures on the 25 FPS grid (five at 200 ms), None for one that never
    arrived. ``sound``: its mono 16 kHz samples. ``captured``: monotonic time in seconds of the tick's
    end; for a file, of the moment at which the tick was returned.
    """

    frames: list[UInt8 | None]
    sound: Float32
    captured: float


class Source(Protocol):
    """Delivers ticks until None. ``tick_ms``, the length of the next tick, may be changed between two
    ticks. ``live``: what isn't captured now is lost."""

    live: bool
    tick_ms: int
    on_frame: Callable[[UInt8], None] | None
    """Called with each picture when it is captured, before its tick ends."""

    async def glimpse(self) -> Tick | None:
        """Before the first tick: what is visible already, for choosing a keyframe; None if there is
        nothing more."""

    async def tick(self) -> Tick | None: ...

    def close(self) -> None: ...


class FileTicks:
    """A file cut into ticks; the last one may have fewer frames, and its sound is padded. A single picture is shown as long
    as there is sound. Raises ``SourceError``."""

    def __init__(self, video: Path, audio: Path | None = None) -> None:
        self._sound, self._at = FileSound(audio or video), 0
        frames = file_frames(video)
        begin = list(islice(frames, 2))
        self._still = len(begin) == 1 and not self._sound.over
        self._frames = repeat(begin[0]) if self._still else chain(begin, frames)

    def next(self, tick_ms: int) -> Tick | None:
        """The next tick, of this length; None at the end."""
        if self._still and self._sound.over:
            return None
        got: list[UInt8 | None] = [f for _, f in zip(grid(self._at, tick_ms), self._frames, strict=False)]
        if not got:
            return None
        self._at += tick_ms
        return Tick(got, self._sound.read(RATE * tick_ms // 1000), time.monotonic())


def file_ticks(video: Path, audio: Path | None = None, tick_ms: int = 200) -> Iterator[Tick]:
    """All ticks of a file. Raises ``SourceError``."""
    ticks = FileTicks(video, audio)
    while (tick := ticks.next(tick_ms)) is not None:
        yield tick


class FileSource:
    """A file in real time, at most ``seconds`` of it, repeated from the start if ``loop``."""

    live = False
    on_frame: Callable[[UInt8], None] | None = None

    def __init__(
        self, video: Path, audio: Path | AudioInput | None = None, loop: bool = False, seconds: float | None = None,
        tick_ms: int = 200,
    ) -> None:  # fmt: skip
        self._video, self._loop, self.tick_ms = video, loop, tick_ms
        self._audio = audio if isinstance(audio, Path) else None
        self._live = audio if audio is not None and not isinstance(audio, Path) else None
        self._limit = None if seconds is None else round(seconds * 1000)
        self._ticks = FileTicks(video, self._audio)
        self._pool = ThreadPoolExecutor(1, "file-source")
        self._at, self._start = 0, 0.0
        self._glimpses: Iterator[Tick] | None = None

    def _next(self) -> Tick | None:
        tick = self._ticks.next(self.tick_ms)
        if tick is None and self._loop:
            self._ticks = FileTicks(self._video, self._audio)
            tick = self._ticks.next(self.tick_ms)
        return tick

    async def glimpse(self) -> Tick | None:
        self._glimpses = self._glimpses or islice(file_ticks(self._video, self._audio), GLIMPSES)
        return await asyncio.get_running_loop().run_in_executor(self._pool, next, self._glimpses, None)

    async def tick(self) -> Tick | None:
        if self._limit is not None and self._at >= self._limit:
            return None
        tick = await asyncio.get_running_loop().run_in_executor(self._pool, self._next)
        if tick is None:
            return None
        self._start = self._start or time.monotonic()
        for index, frame in zip(grid(self._at, self.tick_ms), tick.frames, strict=False):
            await asyncio.sleep(max(0.0, self._start + (index + 1) / FRAME_RATE - time.monotonic()))
            if self.on_frame and frame is not None:
                self.on_frame(frame)
        self._at += self.tick_ms
        due = self._start + self._at / 1000
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if self._live:
            tick.sound = self._live.read(len(tick.sound))
        tick.captured = due
        return tick

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._live:
            self._live.close()


class LiveSource:
    """Camera, microphone or tracks, sampled against the wall clock. Either may be missing or switched off."""

    live = True
    on_frame: Callable[[UInt8], None] | None = None

    def __init__(
        self, video: VideoInput | None, audio: AudioInput | None, tick_ms: int = 200, seconds: float | None = None
    ) -> None:
        self.video, self.audio, self.tick_ms = video, audio, tick_ms
        self._limit = None if seconds is None else round(seconds * 1000)
        self._at, self._start = 0, 0.0

    async def glimpse(self) -> Tick | None:
        await asyncio.sleep(GLIMPSE_EVERY)
        seen = self.video.latest() if self.video else None
        return Tick([seen], np.zeros(0, np.float32), time.monotonic()) if self.video else None

    async def tick(self) -> Tick | None:
        if self._limit is not None and self._at >= self._limit:
            return None
        self._start = self._start or time.monotonic()
        frames: list[UInt8 | None] = []
        for index in grid(self._at, self.tick_ms):
            await asyncio.sleep(max(0.0, self._start + (index + 1) / FRAME_RATE - time.monotonic()))
            frames.append(frame := self.video.latest() if self.video else None)
            if self.on_frame and frame is not None:
                self.on_frame(frame)
        self._at += self.tick_ms
        due = self._start + self._at / 1000
        late = time.monotonic() - due
        if late > 1.0:  # the machine slept: continue from now instead of catching up
            self._start += late
            due += late
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        count = RATE * self.tick_ms // 1000
        sound = self.audio.read(count) if self.audio else np.zeros(count, np.float32)
        return Tick(frames, sound, due)

    def close(self) -> None:
        for part in (self.video, self.audio):
            if part:
                part.close()
