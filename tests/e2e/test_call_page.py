"""Calls in which the browser is a complete peer: two browsers, a browser and ``facewire call``, a misbehaving peer."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from codec.bundle import Bundle, Report
from codec.control import Hello, KeyframeNotice, Verb
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.e2e.call_page import CODE, LONG, LOUD, STATE, drawn, figures_of, moves, opened, shows_a_face
from tests.e2e.processes import facewire, finish
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]


def mean(pixels: list[int], channel: int) -> float:
    values = pixels[channel::3]
    return sum(values) / len(values)


async def test_two_browsers_see_and_hear_each_other(server: str, tmp_path: Path) -> None:
    url = server.replace("127.0.0.1", "localhost") + "/call/two"
    for name in ("red", "blue"):
        (tmp_path / name).mkdir()
    red = chromium_options(shipped_clip(), tmp_path / "red", (1, 0.6, 0.6))
    blue = chromium_options(shipped_clip(), tmp_path / "blue", (0.6, 0.6, 1))
    async with Browser(*red) as one, Browser(*blue) as other:
        await asyncio.gather(opened(one, url), opened(other, url))
        seen = await asyncio.gather(drawn(one), drawn(other))
        assert mean(seen[0], 2) > mean(seen[0], 0), "the red peer must see the blue one"
        assert mean(seen[1], 0) > mean(seen[1], 2)
        await asyncio.gather(*(moves(browser, first) for browser, first in zip((one, other), seen, strict=True)))
        for browser in (one, other):
            await until(lambda browser=browser: browser.run(f"{LOUD[:-1]} > 0.02"), LONG, 0.2)
        codes = [await until(lambda browser=browser: browser.run(CODE), LONG) for browser in (one, other)]
        assert codes[0] == codes[1]
        assert len(codes[0].split()) == 4
        if shots := os.environ.get("FACEWIRE_SCREENSHOTS"):
            await one.screenshot(Path(shots) / "call.png")
        await one.click("#hangup")
        for browser in (one, other):
            await until(lambda browser=browser: browser.run(f"{STATE} === 'call ended'"), LONG)
        text = await other.run("return document.getElementById('waiting').innerText")
        assert "hung up" in text


async def test_a_browser_and_facewire_call(server: str, tmp_path: Path) -> None:
    url = server.replace("127.0.0.1", "localhost") + "/call/mixed"
    film = tmp_path / "seen.mp4"
    there = await facewire(
        "call", "mixed", "--server", server, "--video", str(shipped_clip()), "--loop", "--out", str(film), "--json"
    )
    try:
        async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
            await opened(browser, url)
            await moves(browser, await drawn(browser))
            await until(lambda: browser.run(f"{LOUD[:-1]} > 0.02"), LONG, 0.2)
            code = await until(lambda: browser.run(CODE), LONG)
            # The camera is switched off, so that its light goes out and no picture stays, and on again.
            await browser.click("#camera")
            await asyncio.sleep(1.5)
            await browser.click("#camera")
            await asyncio.sleep(4)
            await browser.click("#hangup")
            out = await finish(there, LONG)
    finally:
        if there.returncode is None:
            there.send_signal(signal.SIGKILL)
    figures_of(out, code)
    shows_a_face(film)


async def test_a_misbehaving_peer_changes_nothing_on_the_page(server: str, tmp_path: Path) -> None:
    url = server.replace("127.0.0.1", "localhost") + "/call/rude"
    rng = random.Random(3)
    async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser, SignalingClient(server, "rude") as client:
        await opened(browser, url)
        peer = Peer(IceConfig(), lambda _: None, lambda _: None)
        await peer.connect(client, LONG)
        await until(lambda: browser.run(f"{STATE} === 'connected'"), LONG)
        images = "return document.querySelectorAll('img, script, iframe').length"
        before = await browser.run(images)
        markup = b'\x01{"version":4,"size":8,"rungs":[200],"model":"<img src=x onerror=alert(1)>"}'
        for data in (markup, Hello().pack(), KeyframeNotice(Verb.OFFER, 3, b"12345678").pack()):
            await peer.send_control(data)
        for i in range(300):
            valid = Bundle(i, i, picture=rng.randbytes(40), sound=(rng.randbytes(60), b""), shape=rng.randbytes(9)).pack()
            peer.send_media(rng.choice([valid, rng.randbytes(rng.randrange(1, 400)), Bundle(i, 0, report=Report(i, 255)).pack()]))
            await peer.send_control(bytes([rng.randrange(9)]) + rng.randbytes(rng.randrange(200)))
            if i % 20 == 0:
                await asyncio.sleep(0.02)
        await asyncio.sleep(2)
        assert await browser.run(STATE) == "connected"
        assert await browser.run(images) == before
        assert "onerror" not in await browser.run("return document.documentElement.outerHTML")
        # The page still works, and shows the end of the call when the peer hangs up.
        await browser.click("#mute")
        assert await browser.run("return document.querySelector('#mute .name').innerText") == "Unmute"
        await peer.send_control(b"\x05")
        await until(lambda: browser.run(f"{STATE} === 'call ended'"), LONG)
        await peer.close()


async def test_errors_are_shown_in_words(server: str, tmp_path: Path) -> None:
    url = server.replace("127.0.0.1", "localhost")
    async with Browser(fake_devices=False) as browser:
        await browser.open(f"{url}/call/no%20room")
        trouble = "return document.getElementById('trouble').innerText"
        assert "names no room" in await until(lambda: browser.run(trouble), LONG)
        await browser.open(f"{url}/call/alone")
        assert "No camera" in await until(lambda: browser.run(trouble), LONG)
        assert await browser.run("return document.getElementById('link').value") == f"{url}/call/alone"
    async with (
        Browser(*chromium_options(shipped_clip(), tmp_path)) as browser,
        SignalingClient(server, "full") as _, SignalingClient(server, "full") as __,
    ):  # fmt: skip
        await opened(browser, f"{url}/call/full")
        text = "return document.getElementById('waiting').innerText"
        await until(lambda: browser.run(f"{STATE} === 'call ended'"), LONG)
        assert "Two people are in this room already." in await browser.run(text)
