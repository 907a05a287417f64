"""Where pictures and sound go: a file, speakers, a window, or the page's tracks (receiver/page_tracks.py)."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from receiver.video_file import OutputError, VideoFile
from sender.sources import grid
from sender.speech import LOOKAHEAD, RATE

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


DEVICE_SLACK = 0.150
"""Seconds: sound servers take what they play in pieces of up to about a tenth of a second."""


class Output(Protocol):
    """Takes frames and sound at the time that they are due; called on the event loop, so it must not block."""

    def frame(self, number: int, rgb: UInt8) -> None:
        """Frame ``number`` on the stream's 25 FPS grid, RGB (256, 256, 3), to be shown now."""

    def sound(self, tick: int, exact: Float32, stretched: Float32) -> None:
        """Tick ``tick``'s sound, mono 16 kHz, to be heard from now on: as decoded, and as long as the clock allows it."""

    def close(self) -> None:
        """Finish; may block."""


class FileOutput:
    """MP4, written in a thread of its own. Starts with the first picture's tick; sound is exact, so sync can't drift.

    The file gets its name when it is finished, so an older one is kept until then, and when no picture ever comes.
    """

    def __init__(self, path: Path, tick_ms: int = 200, lag: int = LOOKAHEAD) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._file, self._pool = VideoFile(self._part, crf=16, lag=lag), ThreadPoolExecutor(1, "file-output")
        self._first: int | None = None
        self._tick_ms, self._ticks = tick_ms, 0
        self._waiting: deque[tuple[int, Float32]] = deque(maxlen=3)
        self._starts: dict[int, int] = {}

    def _begin(self, tick: int, sound: Float32) -> None:
        """The next 200 ms of the file are tick ``tick``, whatever was before it: a stream that begins anew simply goes on."""
        self._starts[tick] = grid(self._ticks, self._tick_ms)[0]
        while len(self._starts) > 8:
            del self._starts[next(iter(self._starts))]
        self._ticks += 1
        self._pool.submit(self._file.sound, sound)

    def frame(self, number: int, rgb: UInt8) -> None:
        tick = number * 40 // self._tick_ms
        if self._first is None:
            # Begin at the start of this frame's tick, with that tick's sound, which has already come.
            self._first = grid(tick, self._tick_ms)[0]
            for waiting, sound in self._waiting:
                if waiting >= tick:
                    self._begin(waiting, sound)
        if tick in self._starts:
            self._pool.submit(self._file.frame, self._starts[tick] + number - grid(tick, self._tick_ms)[0], rgb)

    def sound(self, tick: int, exact: Float32, stretched: Float32) -> None:
        if self._first is None:
            self._waiting.append((tick, exact))
        else:
            self._starts.pop(tick, None)
            self._begin(tick, exact)

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

    When a tick's sound is due, the one before it should be played: what is left of it beyond ``slack`` would lag for good.
    """

    def __init__(self, slack: float = 0.060) -> None:
        """``slack`` in seconds: what a reader that takes large pieces may leave."""
        self.slack = round(RATE * slack)
        self._lock, self._samples = threading.Lock(), np.zeros(0, np.float32)
        self.gaps = self.cut = 0

    def write(self, samples: Float32) -> None:
        with self._lock:
            joined = np.concatenate([self._samples, samples])
            limit = len(samples) + self.slack
            self.cut += max(0, len(joined) - limit)
            self._samples = joined[-limit:] if limit else joined

    def read(self, count: int) -> Float32:
        with self._lock:
            out, self._samples = self._samples[:count], self._samples[count:]
        self.gaps += count - len(out)
        return np.pad(out, (0, count - len(out)))


class Speakers:
    """The default or a named sound device. Raises :class:`OutputError`."""

    def __init__(self, device: str | int | None = None) -> None:
        try:
            import sounddevice
        except OSError as error:
            raise OutputError("PortAudio is missing: install it (Debian: apt-get install libportaudio2)") from error
        self._buffer = PlayBuffer(DEVICE_SLACK)
        try:
            self._stream = sounddevice.OutputStream(
                samplerate=RATE, channels=1, dtype="float32", device=device, blocksize=320, latency="low", callback=self._fill
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise OutputError(f"speakers cannot be opened: {error}") from error

    def _fill(self, out: Float32, frames: int, _time: object, _status: object) -> None:
        out[:, 0] = self._buffer.read(frames)

    def frame(self, number: int, rgb: UInt8) -> None:
        pass

    def sound(self, tick: int, exact: Float32, stretched: Float32) -> None:
        self._buffer.write(stretched)

    def close(self) -> None:
        self._stream.stop()
        self._stream.close()


class Window:
    """A window of its own (tkinter), drawn in a thread. Raises :class:`OutputError` without Tk or a display."""

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

    def sound(self, tick: int, exact: Float32, stretched: Float32) -> None:
        pass

    def close(self) -> None:
        self._closed = True
        self._thread.join(2)
