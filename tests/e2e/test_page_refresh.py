"""A face that changes in front of the page's camera gets another keyframe, sent together with the bundles."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import devices, padded
from bench.calls.survival import NullRenderer
from bench.demo import shipped_clip
from codec.media.files import file_frames
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator
from receiver.player import Player
from signaling.call.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig
from tests.e2e.call_page import opened
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

LIGHT, DARK = 20, 100
"""Seconds of the camera's film: first the face as it is, then mirrored and at half the brightness."""
MOST = 400.0
"""Limit in seconds for a slow machine: the longer the page takes to check a picture, the more rarely it does so."""


def film() -> Iterator[UInt8]:
    frames = [padded(frame) for frame in file_frames(shipped_clip())]
    for number in range(25 * (LIGHT + DARK)):
        frame = frames[number % len(frames)]
        yield frame if number < 25 * LIGHT else np.ascontiguousarray(frame[:, ::-1] // 2 + 10)


async def test_a_face_that_changes_gets_another_keyframe(server: str, tmp_path: Path) -> None:
    # Silence leaves bandwidth for a keyframe beside the bundles.
    options = await asyncio.to_thread(lambda: devices(tmp_path, film(), np.zeros(16_000, np.float32)))
    player = Player(NullRenderer, Interpolator(), [])
    keyframes = player.decoder.pictures.references.keyframes
    async with Browser(*options) as browser, SignalingClient(server, "there") as client:
        call = Call(IceConfig(), player=player)
        running = asyncio.create_task(call.run(client))
        try:
            await opened(browser, server.replace("127.0.0.1", "localhost") + "/call/there")

            def another() -> bool:
                return running.done() or (len(keyframes) > 1 and player.decoder._slot != 0)

            await until(lambda: keyframes or running.done(), MOST)
            await until(another, MOST)
            assert not running.done(), running
            out, _, seconds = call.link.wire_total()
            assert out * 8e-3 / seconds < 14
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await player.close()
    assert player.count.broken == 0
    light, dark = (float(np.mean(keyframes[slot][..., 0])) for slot in (min(keyframes), max(keyframes)))
    assert dark < 0.75 * light
