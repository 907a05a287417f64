"""A synthetic clip without a face, shared by the sender's tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """A second of moving stripes at 30 FPS, 160×120, without sound."""
    path = tmp_path / "stripes.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(30):
            x = np.broadcast_to(((np.arange(160) + 4 * i) // 10 % 2 * 200).astype(np.uint8)[None, :, None], (120, 160, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(x), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
