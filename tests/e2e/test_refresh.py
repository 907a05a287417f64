"""A face that changes during a call gets another keyframe, sent together with the bundles and within
the rate limit; when the face changes back, the first keyframe is used again.

Two real peers over a real signaling server. The source waits for the mirror, so that no look is
skipped: on a slow machine the call takes longer but has the same course. The receiver renders
nothing, because that is not tested here.
"""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bench.calls.survival import NullRenderer
from bench.demo import shipped_clip
from codec.media.files import file_frames, file_sound
from models.face.tracker import whole
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.player import Player
from sender.capture.sources import Tick
from sender.keyframes.mirror import Mirror
from sender.keyframes.refresh import Refresh
from sender.stream import SenderStream, StreamConfig
from signaling.call.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig
from tests.waiting import running, until

pytestmark = pytest.mark.e2e

SECONDS = 10
LIMIT = 24.0
MOST = 400.0
"""Limit in seconds that is enough for a slow machine."""


def parts() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """(ten seconds of the shipped clip, the same mirrored and at half the brightness, their sound)."""
    frames = [whole(f).cut(f) for f, _ in zip(file_frames(shipped_clip()), range(SECONDS * 25), strict=False)]
    dark = [np.ascontiguousarray(f[:, ::-1] // 2 + 10) for f in frames]
    return frames, dark, np.concatenate(list(file_sound(shipped_clip())))[: SECONDS * 16_000]


class Waiting:
    """A source of the light and dark parts in turn; each tick waits until the mirror has taken up the one before."""

    live, tick_ms = False, 200

    def __init__(self, mirror: Mirror) -> None:
        self._mirror, self._ticks = mirror, self._all()

    async def _all(self) -> AsyncIterator[Tick]:
        light, dark, sound = await asyncio.to_thread(parts)
        loop = asyncio.get_running_loop()
        while True:
            for frames in (light, dark):
                for at in range(0, len(frames), 5):
                    yield Tick(list(frames[at : at + 5]), sound[at * 640 : (at + 5) * 640], loop.time())

    async def glimpse(self) -> Tick | None:
        return None

    async def tick(self) -> Tick | None:
        await asyncio.sleep(self.tick_ms / 1000)
        await until(lambda: self._mirror.refresh is not None and not self._mirror._waiting, MOST)
        return await anext(self._ticks)

    def close(self) -> None:
        pass


async def test_a_face_that_changes_gets_another_keyframe(server: str) -> None:
    interpolator = Interpolator()
    mirror = Mirror(lambda: Refresh(Upsampler(device="cpu-fp32", threads=1), Interpolator()))
    stream = SenderStream(StreamConfig(crop="none", keyframe="first"))
    async with SignalingClient(server, "room") as here, SignalingClient(server, "room") as there:
        player = Player(NullRenderer, interpolator, [])
        sending = Call(IceConfig(), Waiting(mirror), stream, mirror=mirror, limit_kbps=LIMIT)
        receiving = Call(IceConfig(), player=player)
        try:
            async with running(sending.run(here), receiving.run(there)) as calls:
                received = player.decoder.pictures.references.keyframes
                await until(lambda: len(received) >= 2 or any(c.done() for c in calls), MOST)
                assert mirror.switched == 0  # the dark face has its own keyframe
                second = stream.pictures.slot
                await until(lambda: mirror.switched >= 1 or any(c.done() for c in calls), MOST)
                await until(lambda: stream.pictures.slot != second or any(c.done() for c in calls), MOST)
                out, _, seconds = sending.link.wire_total()
                assert out * 8e-3 / seconds < LIMIT
                sending.hang_up()
                await asyncio.wait_for(asyncio.gather(*calls), 60)
        finally:
            mirror.close()
            await player.close()
    assert player.count.broken == 0
    light, dark = (stream.keyframes.gallery.keyframes[slot].rgb.mean() for slot in sorted(stream.keyframes.gallery.keyframes)[:2])
    assert dark < 0.75 * light
