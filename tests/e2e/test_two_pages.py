"""Two people, each seen and heard through the camera and microphone of a browser: both see each other
move."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from tests.e2e.processes import facewire, finish, page_of
from tests.needs import BROWSER, needs
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER)]

LOOK = """
const video = document.getElementById('remote');
const canvas = document.createElement('canvas');
canvas.width = canvas.height = 64;
const context = canvas.getContext('2d');
context.drawImage(video, 0, 0, 64, 64);
return [video.videoWidth, Array.from(context.getImageData(0, 0, 64, 64).data)];
"""
TAP = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode) connect.call(this, (window.meter = this.context.createAnalyser()));
  return connect.call(this, to, ...rest);
};
"""
LOUDNESS = """
if (!window.meter) return 0;
const samples = new Float32Array(window.meter.fftSize);
window.meter.getFloatTimeDomainData(samples);
return Math.max(...samples.map(Math.abs));
"""
JOIN = """
document.getElementById('room').value = '%s';
document.getElementById('server').value = '%s';
document.getElementById('join').click();
"""
DRAWN = "return document.getElementById('raw').getContext('2d').getImageData(3, 3, 1, 1).data[3] > 0"
KEY = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
TEXT = "return document.body.innerText"


async def look(browser: Browser) -> list[int]:
    """RGB values of 64×64 pixels of the remote face; empty before there is one."""
    width, data = await browser.run(LOOK)
    return [v for i, v in enumerate(data) if i % 4 != 3] if width == 256 else []


async def seen(browser: Browser) -> list[int]:
    """RGB values of the remote face, once it is shown."""

    async def bright() -> list[int]:
        pixels = await look(browser)
        return pixels if pixels and max(pixels) > 100 else []

    return await until(bright, every=0.3)


def ratio(pixels: list[int], a: int, b: int) -> float:
    """The ratio of colour channel ``a`` to colour channel ``b``."""
    return sum(pixels[a::3]) / max(1, sum(pixels[b::3]))


def moved(first: list[int], second: list[int]) -> float:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first)


async def start(*arguments: str):
    """Start a ``facewire call``; returns the process and the address of its page."""
    process = await facewire("call", *arguments, "--page-port", "0", "--no-open", "--threads", "1", "--no-refresh")
    return process, await page_of(process)


async def test_two_people_see_and_hear_each_other(server: str, tmp_path: Path) -> None:
    clip, shots = shipped_clip(), Path(os.environ.get("FACEWIRE_SCREENSHOTS", str(tmp_path)))
    cameras = []
    for name, tint in (("red", (1.0, 0.6, 0.5)), ("blue", (0.5, 0.6, 1.0))):
        (tmp_path / name).mkdir()
        cameras.append(chromium_options(clip, tmp_path / name, tint))
    processes = []
    async with contextlib.AsyncExitStack() as stack:
        try:
            here, url = await start()
            processes.append(here)
            there, other_url = await start("two", "--server", server)
            processes.append(there)
            red, blue = [await stack.enter_async_context(Browser(*options)) for options in cameras]
            # One of them reads its devices as browsers without MediaStreamTrackProcessor do.
            await blue.before("delete window.MediaStreamTrackProcessor")
            await red.before(TAP)
            await asyncio.gather(red.open(url), blue.open(other_url))

            # One person joins from the page.
            async def asked() -> bool:
                return not await red.run("return document.getElementById('lobby').hidden")

            await until(asked, every=0.3)
            await red.screenshot(shots / "lobby.png")
            await red.run(JOIN % ("two", server))
            sees_blue, sees_red = await asyncio.gather(seen(red), seen(blue))
            assert ratio(sees_blue, 2, 0) > 1.3
            assert ratio(sees_red, 0, 2) > 1.3

            async def moves() -> bool:
                return moved(sees_blue, await look(red)) > 0.5 and moved(sees_red, await look(blue)) > 0.5

            await until(moves, every=0.3)

            async def loud() -> bool:
                return await red.run(LOUDNESS) > 0.02

            await until(loud, every=0.3)
            await red.screenshot(shots / "call.png")

            # The sent 8×8 pixels, the devices, and the layout.
            await red.run(KEY % "r")
            await red.run(KEY % "d")

            async def small() -> bool:
                return await red.run(DRAWN)

            await until(small, every=0.3)
            cameras_listed = await red.run("return document.getElementById('menu-video').options.length")
            assert cameras_listed > 1
            await red.screenshot(shots / "small.png")
            await red.run(KEY % "r")
            await red.run(KEY % "d")
            for scheme, width, height in (("dark", 1000, 760), ("light", 360, 740), ("dark", 360, 740)):
                await red.media(scheme)
                await red.size(width, height)
                assert await red.run("return document.documentElement.scrollWidth <= innerWidth")
                await asyncio.sleep(0.5)
                await red.screenshot(shots / f"{scheme}-{width}.png")

            # The keyboard shortcuts of the buttons.
            await red.run(KEY % "m")
            await until(lambda: _reads(red, "mute", "Unmute"), every=0.3)
            await until(lambda: _reads(blue, "face", "microphone off"), every=0.3)
            await red.run(KEY % "c")
            await until(lambda: _has(blue, "camera is off"), every=0.3)
            await red.run(KEY % "m")
            await red.run(KEY % "c")
            await until(lambda: _reads(red, "mute", "Mute"), every=0.3)
            await until(lambda: _reads(blue, "face", ""), every=0.3)
            await seen(blue)

            # The other person is notified of Away, and sees no picture.
            await red.run(KEY % "a")
            await until(lambda: _has(blue, "away"), every=0.3)
            await blue.screenshot(shots / "away.png")

            async def grey() -> bool:
                pixels = await look(blue)
                return max(pixels) < 80

            await until(grey, every=0.3)
            await red.run(KEY % "a")
            await seen(blue)

            # A person who joined from the page can join again.
            await red.run(KEY % "h")
            code, _, error = await finish(there, 30)
            assert code == 0, error
            await until(asked, every=0.3)
            assert "ended" in await red.run(TEXT)
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def _has(browser: Browser, text: str) -> bool:
    return text in await browser.run("return document.getElementById('waiting').innerText")


async def _reads(browser: Browser, name: str, text: str) -> bool:
    """Whether an element's text contains ``text``; a hidden element's text is empty. For ``mute`` or an empty ``text``, whether
    its first line equals ``text``."""
    found = await browser.run(f"const e = document.getElementById('{name}'); return e.hidden ? '' : e.innerText")
    return found.split("\n")[0] == text if name == "mute" or not text else text in found
