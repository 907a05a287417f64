"""What is switched off does not leave the browser: the call's page, connected to a peer that reads all it receives."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from codec.bundle import NO_CAMERA, Bundle, Face
from codec.control import KeyframeChunk, parse_message
from codec.media.timing import RATE
from codec.speech import SpeechDecoder
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.e2e.call_page import LONG, opened
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

WHILE_OFF = 8
"""The number of consecutive bundles that are checked while something is off."""


NOTE = "(({ hidden, textContent }) => hidden ? '' : textContent)(document.getElementById('local-face'))"


class Listener:
    """What a page sent: its bundles in order, and the number of keyframe chunks."""

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.chunks = 0

    def media(self, data: bytes) -> None:
        self.bundles.append(Bundle.parse(data))

    def control(self, data: bytes) -> None:
        self.chunks += isinstance(parse_message(data), KeyframeChunk)

    async def next(self, count: int, first: Callable[[Bundle], bool]) -> list[Bundle]:
        """The ``count`` bundles that follow the next one for which ``first`` is true."""
        begin = len(self.bundles)
        await until(lambda: any(map(first, self.bundles[begin:])), LONG)
        at = begin + next(i for i, b in enumerate(self.bundles[begin:]) if first(b)) + 1
        await until(lambda: len(self.bundles) >= at + count, LONG)
        return self.bundles[at : at + count]


@asynccontextmanager
async def called(server: str, room: str, folder: Path) -> AsyncIterator[tuple[Browser, Listener]]:
    """A page in a call that sends face and sound, and the listener that receives them."""
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser(*chromium_options(shipped_clip(), folder)))
        await opened(browser, f"{server.replace('127.0.0.1', 'localhost')}/call/{room}")
        client = await stack.enter_async_context(SignalingClient(server, room))
        heard = Listener()
        peer = Peer(IceConfig(), heard.media, heard.control)
        stack.push_async_callback(peer.close)
        await peer.connect(client, LONG)
        await heard.next(1, lambda b: b.face == Face.TRACKED and b.picture is not None and not b.muted)
        assert loudest(await heard.next(WHILE_OFF, lambda _: True)) > 0.02
        yield browser, heard


def loudest(bundles: list[Bundle]) -> float:
    decoder = SpeechDecoder()
    sound = [decoder.decode(b.sound, b.tick_ms * RATE // 1000) for b in bundles if b.sound]
    return float(np.abs(np.concatenate(sound)).max()) if sound else 0.0


@pytest.mark.parametrize("button", ["camera", "away"])
async def test_no_picture_leaves_while_the_camera_is_off(server: str, tmp_path: Path, button: str) -> None:
    async with called(server, button, tmp_path) as (browser, heard):
        await browser.click(f"#{button}")
        off = await heard.next(WHILE_OFF, lambda b: b.face in NO_CAMERA)
        chunks = heard.chunks
        assert {b.face for b in off} == {Face.CAMERA_OFF if button == "camera" else Face.AWAY}
        assert all(b.picture is None and b.shape is None for b in off)
        if button == "away":
            assert all(b.muted for b in off)
            assert loudest(off) < 0.003
        await heard.next(WHILE_OFF, lambda _: True)
        assert heard.chunks == chunks, "no keyframe may be sent either"
        await browser.click(f"#{button}")
        await heard.next(1, lambda b: b.face == Face.TRACKED and b.picture is not None)


async def test_no_sound_leaves_while_muted(server: str, tmp_path: Path) -> None:
    async with called(server, "mute", tmp_path) as (browser, heard):
        await browser.click("#mute")
        off = await heard.next(WHILE_OFF, lambda b: b.muted)
        assert all(b.muted for b in off)
        assert loudest(off) < 0.003, "the packets may only contain silence"
        assert any(b.picture is not None for b in off), "pictures must still be sent"
        # A user who speaks while muted is notified.
        await until(lambda: browser.run(f"return {NOTE} === 'you are muted'"), LONG, 0.2)
        await browser.click("#mute")
        assert loudest(await heard.next(WHILE_OFF, lambda b: not b.muted)) > 0.02
        assert await browser.run(f"return {NOTE}") != "you are muted"
