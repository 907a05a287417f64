"""Fixtures shared by all tests: the shipped clip, and an event loop with a virtual clock for tests that request it."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from bench.demo import shipped_clip
from codec.bundle import Bundle
from codec.keyframe import Keyframe
from codec.media.files import file_frames
from models.runtime.upsampler import Interpolator
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from tests.virtual_time import VirtualLoop

# The same examples on every machine, without a time limit for one: another process may occupy the core.
settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop of a test: a virtual one for tests marked ``virtual_time``, else the usual one."""
    return {"virtual": VirtualLoop} if item.get_closest_marker("virtual_time") else {"usual": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def clip() -> Path:
    """The shipped clip: one real face, 20 s, speech."""
    return shipped_clip()


@pytest.fixture(scope="session")
def frames(clip: Path) -> list[np.ndarray]:
    """The clip's first 30 pictures."""
    return [f for f, _ in zip(file_frames(clip), range(30), strict=False)]


@pytest.fixture(scope="session")
def interpolator() -> Interpolator:
    return Interpolator()


@pytest.fixture(scope="session")
def recorded() -> tuple[Keyframe, list[Bundle], list[np.ndarray]]:
    """(keyframe, 20 bundles (4 s) predicted only from the keyframe, the sender's decoded pictures)"""
    stream, bundles, pictures = SenderStream(StreamConfig(keyframe="first")), [], []
    for tick in islice(file_ticks(shipped_clip()), 20):
        bundles.append(stream.bundle(tick))
        pictures.append(stream.sent_picture)
    return stream.keyframes.newest, bundles, pictures
