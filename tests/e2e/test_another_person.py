"""One person vanishes without a bye and another joins the room: nothing of the first is used for the second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from codec.bundle import Bundle
from codec.control import Hello, KeyframeChunk
from codec.keyframe import Keyframe
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.e2e.call_page import LONG, drawn, opened
from tests.e2e.processes import facewire
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

FAR = 20_000
"""Added to the bundle numbers of the second person."""


def recorded() -> tuple[Keyframe, list[Bundle]]:
    """A keyframe and two seconds of bundles, each predicted only from the keyframe."""
    stream = SenderStream(StreamConfig(keyframe="first"))
    bundles = [stream.bundle(tick) for tick in islice(file_ticks(shipped_clip()), 10)]
    return stream.keyframes.newest, [replace(b, number=b.number + FAR) for b in bundles if b]


@asynccontextmanager
async def browser_in(server: str, room: str, folder: Path) -> AsyncIterator[None]:
    """Run a browser until it has rendered the first person, who then vanishes."""
    there = await facewire("send", room, "--server", server, "--video", str(shipped_clip()), "--loop")
    try:
        async with Browser(*chromium_options(shipped_clip(), folder)) as browser:
            await opened(browser, f"{server.replace('127.0.0.1', 'localhost')}/call/{room}")
            await drawn(browser)
            there.kill()
            await there.wait()
            yield
    finally:
        if there.returncode is None:
            there.kill()


@asynccontextmanager
async def program_in(server: str, room: str, folder: Path) -> AsyncIterator[None]:
    """The same for ``facewire call``."""
    stats = folder / "stats.jsonl"
    clip = ["--video", str(shipped_clip()), "--loop"]
    here = await facewire("call", room, "--server", server, *clip, "--out", str(folder / "out.mp4"), "--stats", str(stats))
    there = await facewire("send", room, "--server", server, *clip)
    try:
        await until(
            lambda: stats.exists() and '"drawn_fps": 0.0' not in (stats.read_text().splitlines() or ['"drawn_fps": 0.0'])[-1],
            LONG,
            0.5,
        )
        there.kill()
        await there.wait()
        yield
    finally:
        for process in (here, there):
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize("somebody_in", [browser_in, program_in])
async def test_the_keyframe_of_a_person_who_vanished_is_not_used_for_the_next(server: str, tmp_path: Path, somebody_in) -> None:
    keyframe, bundles = recorded()
    acknowledged: set[int] = set()

    def heard(data: bytes) -> None:
        report = Bundle.parse(data).report
        if report:
            acknowledged.add(report.newest)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(somebody_in(server, "next", tmp_path))
        client = await stack.enter_async_context(SignalingClient(server, "next"))
        peer = Peer(IceConfig(), heard, lambda _: None)
        stack.push_async_callback(peer.close)
        await peer.connect(client, LONG)
        await peer.send_control(Hello(model="call").pack())

        async def send() -> None:
            for bundle in bundles:
                peer.send_media(bundle.pack())
                await asyncio.sleep(0.2)

        await send()
        await asyncio.sleep(1.0)
        assert not [number for number in acknowledged if number >= FAR], "decoded with the first person's keyframe"
        await peer.send_control(KeyframeChunk(0, keyframe.digest, len(keyframe.data), 0, keyframe.data).pack())
        await asyncio.sleep(1.0)
        await send()
        await until(lambda: any(number >= FAR for number in acknowledged), LONG, 0.2)
