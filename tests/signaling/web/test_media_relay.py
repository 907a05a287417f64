import asyncio
from fractions import Fraction

import numpy as np
import pytest
from aiortc import VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from signaling.web.media_relay import Relay
from tests.waiting import PATIENCE


class Numbered(VideoStreamTrack):
    """A track of pictures as fast as they are read, in RGB as the receiver makes them."""

    def __init__(self):
        super().__init__()
        self.number = 0

    async def recv(self):
        await asyncio.sleep(0.001)
        self.number += 1
        frame = VideoFrame.from_ndarray(np.full((256, 256, 3), self.number % 200, np.uint8), "rgb24")
        frame.pts, frame.time_base = self.number, Fraction(1, 1000)
        return frame


async def test_viewers_can_encode_the_same_picture_at_once():
    relay, source = Relay(), Numbered()
    viewers = [relay.subscribe(source) for _ in range(3)]
    async with asyncio.timeout(PATIENCE):
        for _ in range(150):
            frames = await asyncio.gather(*(viewer.recv() for viewer in viewers))
            assert len({id(frame) for frame in frames}) == 3
            assert {frame.format.name for frame in frames} == {"yuv420p"}
            # As aiortc's encoders do, each in its own thread.
            await asyncio.gather(*(asyncio.to_thread(frame.reformat, format="rgb24") for frame in frames))
    assert frames[0].pts > 100
    viewers[0].stop()
    with pytest.raises(MediaStreamError):
        await viewers[0].recv()
    assert (await viewers[1].recv()).width == 256
    for viewer in viewers:
        viewer.stop()
