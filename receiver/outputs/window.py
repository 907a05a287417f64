"""A call's pictures in a separate window."""

import gc
import threading
from typing import Any

from codec.media.types import Float32, UInt8
from receiver.outputs.video_file import OutputError


class Window:
    """A separate window (tkinter), drawn in a thread. Raises :class:`OutputError` without Tk or a display."""

    smooth = True

    SIDE = 512

    def __init__(self, title: str = "facewire") -> None:
        try:
            import tkinter

            from PIL import Image, ImageTk
        except ImportError as error:
            raise OutputError("tkinter is missing: install it (Debian: apt-get install python3-tk)") from error
        self._tk, self._image, self._image_tk, self._title = tkinter, Image, ImageTk, title
        self._newest: UInt8 | None = None
        self._ready, self._failed, self._closed = threading.Event(), "", False
        self._thread = threading.Thread(target=self._work, daemon=True, name="window")
        self._thread.start()
        self._ready.wait(10)
        if self._failed:
            raise OutputError(f"no window can be opened: {self._failed}")

    def _work(self) -> None:
        self._open()
        # Tcl aborts the process where another thread deletes its interpreter, as a later garbage collection would.
        gc.collect()

    def _open(self) -> None:
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
        self._draw(root, label)
        root.mainloop()

    def _draw(self, root: Any, label: Any) -> None:
        if self._closed:
            root.destroy()
            return
        rgb, self._newest = self._newest, None
        if rgb is not None:
            image = self._image.fromarray(rgb).resize((self.SIDE, self.SIDE), self._image.Resampling.BICUBIC)
            label.image = self._image_tk.PhotoImage(image, master=label)
            label.configure(image=label.image)
        root.after(10, self._draw, root, label)

    def frame(self, number: int, rgb: UInt8) -> None:
        self._newest = rgb

    def sound(self, at_ms: int, exact: Float32, stretched: Float32) -> None:
        pass

    def close(self) -> None:
        self._closed = True
        self._thread.join(2)
