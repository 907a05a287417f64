"""Records what a browser really shows and plays of a call's page, with Chromium and a PulseAudio null sink.

For ``bench.calls.delay --page`` and ``bench.calls.echo``.

A picture's time is when the browser expects it on the screen, a sound's when the sound server passes it
to its (here: null) device. Both are times of ``time.monotonic``.
"""

import asyncio
import contextlib
import shutil
import time

import numpy as np

from bench.browsers.chromium import Browser, BrowserError, available
from bench.browsers.sound_server import NEEDED, SoundServer, SoundServerError
from bench.demo import DemoError
from codec.media.timing import RATE
from codec.media.types import Float64
from signaling.call.light_trace import HOP, loudness

WATCH = """
const video = document.getElementById("remote");
const context = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
window.watched = [];
const look = (_, { expectedDisplayTime }) => {
  context.drawImage(video, 0, 0, 8, 8);
  const data = context.getImageData(0, 0, 8, 8).data;
  window.watched.push([performance.timeOrigin + expectedDisplayTime, data.reduce((a, b) => a + b, 0) / data.length]);
  video.requestVideoFrameCallback(look);
};
video.requestVideoFrameCallback(look);
"""

Record = dict[str, Float64]


class PageRecord:
    """A browser with a call's page and its own sound server, as an async context manager;
    :meth:`take` returns the record.

    The browser's microphone gets what its loudspeakers play, and nothing else. Raises
    :class:`DemoError` if Chromium or PulseAudio is missing.
    """

    browser: Browser

    async def __aenter__(self) -> "PageRecord":
        if not available() or not all(map(shutil.which, NEEDED)):
            raise DemoError("needs chromium, chromedriver and pulseaudio (Debian: chromium-driver, pulseaudio)")
        self._stack = contextlib.AsyncExitStack()
        try:
            return await self._begin()
        except BaseException as error:
            await self._stack.aclose()
            if isinstance(error, SoundServerError | BrowserError):
                raise DemoError(str(error)) from error
            raise

    async def _begin(self) -> "PageRecord":
        server = await self._stack.enter_async_context(SoundServer())
        self._recorder = await server.start(
            "parec", "--raw", "--format=float32le", f"--rate={RATE}", "--channels=1", "--latency-msec=10", "--device=null.monitor"
        )
        self._pieces, self._times = list[bytes](), list[tuple[float, int]]()
        reading = asyncio.create_task(self._read())
        self._stack.callback(reading.cancel)
        self.browser = await self._stack.enter_async_context(Browser(environment=server.environment, fake_devices=False))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _read(self) -> None:
        count = 0
        assert self._recorder.stdout is not None
        while piece := await self._recorder.stdout.read(1 << 14):
            self._pieces.append(piece)
            count += len(piece)
            self._times.append((time.monotonic(), count // 4))

    async def open(self, url: str) -> None:
        """Open the call's page and record the frames that it shows."""
        await self.browser.open(url)
        await self.browser.run(WATCH)

    async def take(self) -> Record:
        """``shown``, ``light``, ``heard`` and ``loud``, as
        :class:`signaling.call.light_trace.LightTrace` writes them."""
        ago = time.time() - time.monotonic()
        watched = np.array(await self.browser.run("return window.watched"), np.float64).reshape(-1, 2)
        sound = np.frombuffer(b"".join(self._pieces)[: sum(map(len, self._pieces)) // 4 * 4], np.float32)
        values = loudness(sound)
        # The sound's clock is steady, but its pieces are sometimes late: the earliest gives the beginning.
        began = min((at - count / RATE for at, count in self._times), default=0.0)
        heard = began + (np.arange(len(values)) + 0.5) * HOP / RATE
        return {"shown": watched[:, 0] / 1e3 - ago, "light": watched[:, 1], "heard": heard, "loud": values}
