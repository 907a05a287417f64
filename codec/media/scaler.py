"""Conversion of decoded pictures between sizes and pixel formats, on the caller's thread."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from codec.media.types import UInt8


class Scaler:
    """Converts frames to one size and format on the caller's thread, with one converter. Not thread-safe.

    PyAV's ``to_ndarray`` and ``encode`` create a converter for each picture, with a thread for each
    core: that takes ten times as long, and in the tests those threads have crashed
    (docs/decisions.md).
    """

    _ONE = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}

    def __init__(self, pixels: str = "rgb24", width: int | None = None, height: int | None = None, smooth: bool = False) -> None:
        """``smooth``: stretch by bicubic instead of bilinear interpolation."""
        self._reformatter = VideoReformatter()
        self._wanted: dict[str, Any] = {"format": pixels, "width": width, "height": height} | self._ONE
        if smooth:
            self._wanted["interpolation"] = "BICUBIC"

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The converted frame, or the frame itself if nothing has to change."""
        return self._reformatter.reformat(frame, **self._wanted)

    def array(self, frame: av.VideoFrame) -> UInt8:
        """(H, W, 3) for RGB, in the colour space that the file states; (3H/2, W) for planar YUV 4:2:0."""
        return np.asarray(self.frame(frame).to_ndarray(), np.uint8)

    def picture(self, rgb: UInt8) -> av.VideoFrame:
        """RGB (H, W, 3) → a frame for an encoder."""
        return self.frame(av.VideoFrame.from_ndarray(rgb, format="rgb24"))
