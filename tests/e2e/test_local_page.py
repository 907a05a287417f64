"""A real call whose page is opened in headless Chromium: the video plays, the face moves, and the picture is not black."""

import os
from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.firefox import Firefox
from bench.demo import shipped_clip
from tests.e2e.processes import facewire, finish, page_of
from tests.needs import BROWSER, needs
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER)]

LONG = 240.0
"""Limit in seconds for a browser that shares two cores with two networks."""
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


async def look(browser: Browser | Firefox, video: str) -> tuple[int, int, float, list[int]]:
    width, height, time, data = await browser.run(PIXELS % video)
    return width, height, time, [v for i, v in enumerate(data) if i % 4 != 3]


async def test_both_faces_play_in_chromium(server: str, tmp_path: Path) -> None:
    clip = str(shipped_clip())
    there = await facewire("send", "page", "--server", server, "--video", clip, "--loop")
    options = ["--video", clip, "--loop", "--page-port", "0", "--no-open", "--json"]
    here = await facewire("call", "page", "--server", server, *options)
    try:
        url = await page_of(here)
        async with Browser(autoplay=False) as browser:
            await browser.open(url)
            # Sound needs a click, as in a user's browser.
            await until(lambda: browser.run(SOUND_OFF), LONG, 0.25)
            await browser.click("#sound-on")
            await until(lambda: browser.run(f"return !({SOUND_OFF.removeprefix('return ')})"), LONG, 0.25)

            async def seen() -> tuple[int, int, float, list[int]] | None:
                found = await look(browser, "remote")
                return found if found[:2] == (256, 256) and max(found[3]) > 100 else None

            first = await until(seen, LONG, 0.5)

            async def moved() -> tuple[int, int, float, list[int]] | None:
                """A later picture in which the face has moved."""
                found = await look(browser, "remote")
                apart = sum(abs(a - b) for a, b in zip(first[3], found[3], strict=True)) / len(first[3])
                return found if found[2] > first[2] + 1 and apart > 0.3 else None

            second = await until(moved, LONG, 0.5)

            async def own_face() -> bool:
                found = await look(browser, "preview")
                return found[0] == 256 and max(found[3]) > 100

            await until(own_face, LONG, 0.5)

            async def delays() -> list[float] | None:
                texts = [str(await browser.run(CELL % name)).split()[0] for name in ("delay", "browser")]
                return [float(t) for t in texts] if all(t.replace(".", "").isdecimal() for t in texts) else None

            delay, browsers = await until(delays, LONG, 0.5)
            shot = Path(os.environ.get("FACEWIRE_SCREENSHOT", str(tmp_path / "page.png")))
            await browser.screenshot(shot)
            text = await browser.run("return document.body.innerText")
            await browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'h', bubbles: true}))")
            code, _, error = await finish(here, 60)
    finally:
        for process in (there, here):
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert 40 < sum(second[3]) / len(second[3]) < 220
    assert "BPP" in text
    assert 0 < browsers < delay
    assert code == 0, error
    assert shot.stat().st_size > 10_000
