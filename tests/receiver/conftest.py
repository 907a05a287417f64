"""Networks and a short encoded stream that the receiver's tests share."""

from itertools import islice

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.bundle import Bundle
from codec.keyframe import Keyframe
from models.runtime.upsampler import Upsampler
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig


@pytest.fixture(scope="session")
def upsamplers() -> list[Upsampler]:
    upsamplers = [Upsampler(threads=1) for _ in range(2)]
    for upsampler in upsamplers:
        upsampler.warmup()
    return upsamplers


@pytest.fixture(scope="session")
def recorded() -> tuple[Keyframe, list[Bundle], list[np.ndarray]]:
    """Keyframe, 20 bundles (4 s) each predicted from the keyframe alone, and the sender's decoded pictures."""
    stream, bundles, pictures = SenderStream(StreamConfig(keyframe="first")), [], []
    for tick in islice(file_ticks(shipped_clip()), 20):
        bundles.append(stream.bundle(tick))
        pictures.append(stream.sent_picture)
    return stream.keyframes.newest, bundles, pictures
