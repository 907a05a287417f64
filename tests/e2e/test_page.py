"""A real call whose page is opened in headless Chromium: the video plays, moves, and is no black square."""

import asyncio
import os
from pathlib import Path

import pytest

from bench.demo import shipped_clip
from bench.webdriver import Browser, available
from tests.e2e.processes import facewire, finish

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not available() and not os.environ.get("CI"), reason="no Chromium here")]

PIXELS = """
const video = document.getElementById('%s');
const canvas = document.createElement('canvas');
canvas.width = canvas.height = 64;
const context = canvas.getContext('2d');
context.drawImage(video, 0, 0, 64, 64);
return [video.videoWidth, video.videoHeight, video.currentTime, Array.from(context.getImageData(0, 0, 64, 64).data)];
"""


CELL = """return document.querySelector('[data-stat="%s"]').innerText.replace('ms', ' ms');"""


SOUND_OFF = "return !document.getElementById('sound-on').hidden"


async def look(browser: Browser, video: str) -> tuple[int, int, float, list[int]]:
    width, height, time, data = await browser.run(PIXELS % video)
    return width, height, time, [v for i, v in enumerate(data) if i % 4 != 3]


async def test_both_faces_play_in_chromium(server: str, tmp_path: Path) -> None:
    clip = str(shipped_clip())
    there = await facewire("send", "page", "--server", server, "--video", clip, "--loop")
    options = ["--video", clip, "--loop", "--page-port", "0", "--no-open", "--json"]
    here = await facewire("call", "page", "--server", server, *options)
    assert here.stderr is not None
    url = (await here.stderr.readline()).decode().split()[-1]
    try:
        async with Browser(autoplay=False) as browser:
            await browser.open(url)
            # Sound needs a touch, as in a user's browser.
            for _ in range(120):
                if await browser.run(SOUND_OFF):
                    break
                await asyncio.sleep(0.25)
            await browser.click("#sound-on")
            for _ in range(40):
                if not (silent := await browser.run(SOUND_OFF)):
                    break
                await asyncio.sleep(0.25)
            for _ in range(120):
                width, _, _, pixels = await look(browser, "remote")
                if width == 256 and max(pixels) > 100:
                    break
                await asyncio.sleep(0.5)
            await asyncio.sleep(3)
            first, own = await look(browser, "remote"), await look(browser, "preview")
            await asyncio.sleep(2)
            second = await look(browser, "remote")
            shot = Path(os.environ.get("FACEWIRE_SCREENSHOT", str(tmp_path / "page.png")))
            await browser.screenshot(shot)
            text = await browser.run("return document.body.innerText")
            delay, browsers = [float((await browser.run(CELL % name)).split()[0]) for name in ("delay_ms", "browser_ms")]
            await browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'h', bubbles: true}))")
            code, _, error = await finish(here, 20)
    finally:
        for process in (there, here):
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert not silent
    assert first[:2] == (256, 256)
    assert second[2] > first[2] + 1
    moved = sum(abs(a - b) for a, b in zip(first[3], second[3], strict=True)) / len(first[3])
    assert moved > 0.3
    assert 40 < sum(second[3]) / len(second[3]) < 220
    assert own[0] == 256
    assert max(own[3]) > 100
    assert "BPP" in text
    assert 0 < browsers < delay
    assert code == 0, error
    assert shot.stat().st_size > 10_000
