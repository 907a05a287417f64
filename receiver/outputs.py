"""Where pictures and sound go: a file, speakers, a window, or the page's tracks (receiver/page_tracks.py)."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from receiver.video_file import OutputError, VideoFile
from sender.inputs import FRAME_RATE
from sender.sound_device import SoundDevice, SoundDeviceError
from sender.sound_queue import SoundQueue
from sender.speech import LOOKAHEAD, RATE

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


DEVICE_SLACK = 0.150
"""Seconds: sound servers take what they play in pieces of up to about a tenth of a second."""


class Output(Protocol):
    """Takes frames and sound at the time that they are due; called on the event loop, so it must not block.

    ``smooth``: it wants frames between those of the grid, too, where there are any; they have the number of the next.
    """

    smooth: bool

    def frame(self, number: int, rgb: UInt8) -> None:
        """Frame ``number`` on the stream's 25 FPS grid, RGB (256, 256, 3), to be shown now."""

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        """The sound, mono 16 kHz, of the tick that begins ``at_ms`` after the stream, to be heard from now on: as decoded, and as
        long as the clock allows it."""

    def close(self) -> None:
        """Finish; may block."""


FRAME_MS = 1000 // FRAME_RATE


class FileOutput:
    """MP4, written in a thread of its own. Starts with the first picture's tick; sound is exact, so sync can't drift.

    The file gets its name when it is finished, so an older one is kept until then, and when no picture ever comes.
    """

    smooth = False

    def __init__(self, path: Path, lag: int = LOOKAHEAD) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._file, self._pool = VideoFile(self._part, crf=16, lag=lag), ThreadPoolExecutor(1, "file-output")
        self._first: int | None = None
        self._file_ms = 0
        self._waiting: deque[tuple[int, Float32]] = deque(maxlen=12)
        self._pieces: deque[tuple[int, int, int]] = deque(maxlen=16)  # of the stream: from, to; where in the file

    def _begin(self, at_ms: int, sound: Float32) -> None:
        """The file goes on with this tick, whatever was before it: a stream that begins anew simply goes on."""
        length = len(sound) * 1000 // RATE
        self._pieces.append((at_ms, at_ms + length, self._file_ms))
        self._file_ms += length
        self._pool.submit(self._file.sound, sound)

    def frame(self, number: int, rgb: UInt8) -> None:
        at = number * FRAME_MS
        if self._first is None:
            # Begin at the start of this frame's tick, with that tick's sound, which has already come.
            begin = max((ms for ms, _ in self._waiting if ms <= at), default=None)
            self._first = number if begin is None else -(-begin // FRAME_MS)
            for waiting, sound in self._waiting:
                if begin is not None and waiting >= begin:
                    self._begin(waiting, sound)
        for first, end, where in reversed(self._pieces):
            if first <= at < end:
                self._pool.submit(self._file.frame, (where + at - first) // FRAME_MS, rgb)
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
        self._pool.submit(self._file.close).result()
        self._pool.shutdown()
        if self._file.frames:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


class PlayBuffer:
    """Sound between ticks and a device that takes it in small pieces; a gap gives silence, an excess is cut and counted.

    When a tick's sound is due, the one before it should be played: what is left of it beyond ``slack`` would lag for good. What
    is left at every tick, as after a gap, lags too: it is taken away without an edge.
    """

    SPARE = RATE * 10 // 1000
    """Samples that may be left at every tick."""

    def __init__(self, slack: float = 0.060) -> None:
        """``slack`` in seconds: what a reader that takes large pieces may leave."""
        self.slack = round(RATE * slack)
        self._lock, self._queue = threading.Lock(), SoundQueue(self.SPARE)
        self.gaps = self.cut = 0

    def write(self, samples: Float32) -> None:
        with self._lock:
            left = len(self._queue)
            self._queue.put(samples)
            self.cut += self._queue.forget(left - self.slack) + self._queue.settle(left)

    def read(self, count: int) -> Float32:
        with self._lock:
            out = self._queue.take(count)
        self.gaps += count - len(out)
        return np.pad(out, (0, count - len(out)))


class Speakers:
    """The default or a named sound device. Raises :class:`OutputError`."""

    smooth = False

    def __init__(self, name: str | None = None) -> None:
        """``name``: see :class:`sender.sound_device.SoundDevice`."""
        self._buffer = PlayBuffer(DEVICE_SLACK)
        try:
            self._device = SoundDevice("speakers", name, self._fill)
        except SoundDeviceError as error:
            raise OutputError(str(error)) from error

    def _fill(self, out: Float32, count: int) -> None:
        out[:, 0] = self._buffer.read(count)

    def frame(self, number: int, rgb: UInt8) -> None:
        pass

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        self._buffer.write(stretched)

    def close(self) -> None:
        self._device.close()


class Window:
    """A window of its own (tkinter), drawn in a thread. Raises :class:`OutputError` without Tk or a display."""

    smooth = True

    SIDE = 512

    def __init__(self, title: str = "facewire") -> None:
        try:
            import tkinter
        except ImportError as error:
            raise OutputError("tkinter is missing: install it (Debian: apt-get install python3-tk)") from error
        self._tk, self._title = tkinter, title
        self._newest: UInt8 | None = None
        self._ready, self._failed, self._closed = threading.Event(), "", False
        self._thread = threading.Thread(target=self._work, daemon=True, name="window")
        self._thread.start()
        self._ready.wait(10)
        if self._failed:
            raise OutputError(f"no window can be opened: {self._failed}")

    def _work(self) -> None:
        from PIL import Image, ImageTk

        try:
            root = self._tk.Tk()
        except self._tk.TclError as error:
            self._failed = str(error)
            self._ready.set()
            return
        root.title(self._title)
        label: Any = self._tk.Label(root, width=self.SIDE, height=self.SIDE, bg="black")
        label.pack()
        self._ready.set()

        def draw() -> None:
            if self._closed:
                root.destroy()
                return
            rgb, self._newest = self._newest, None
            if rgb is not None:
                image = Image.fromarray(rgb).resize((self.SIDE, self.SIDE), Image.Resampling.BICUBIC)
                label.image = ImageTk.PhotoImage(image)
                label.configure(image=label.image)
            root.after(10, draw)

        draw()
        root.mainloop()

    def frame(self, number: int, rgb: UInt8) -> None:
        self._newest = rgb

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        pass

    def close(self) -> None:
        self._closed = True
        self._thread.join(2)
