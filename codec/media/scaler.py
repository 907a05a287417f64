"""Conversion of decoded pictures between sizes and pixel formats, on the caller's thread."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from codec.media.types import UInt8


class Scaler:
    """Converts frames, all to one size and format, on one thread, and keeps what that needs. Not thread-safe.

    PyAV's ``to_ndarray`` and ``encode`` make a converter anew for each picture, with a thread for
    each core: that takes ten times as long, and in the tests those threads have crashed
    (docs/decisions.md).
    """

    _ONE = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}

    def __init__(self, pixels: str = "rgb24", width: int | None = None, height: int | None = None, smooth: bool = False) -> None:
        """``smooth``: stretched by bicubic interpolation instead of bilinear."""
        self._reformatter = VideoReformatter()
        self._wanted: dict[str, Any] = {"format": pixels, "width": width, "height": height} | self._ONE
        if smooth:
            self._wanted["interpolation"] = "BICUBIC"

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame itself where nothing need be done."""
        return self._reformatter.reformat(frame, **self._wanted)

    def array(self, frame: av.VideoFrame) -> UInt8:
        """(H, W, 3) for RGB, by the colour space that the file names; (3H/2, W) for planar YUV 4:2:0."""
        return np.asarray(self.frame(frame).to_ndarray(), np.uint8)

    def picture(self, rgb: UInt8) -> av.VideoFrame:
        """RGB (H, W, 3) → a frame as an encoder takes it."""
        return self.frame(av.VideoFrame.from_ndarray(rgb, format="rgb24"))
