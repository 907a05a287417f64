"""Helpers for tests of the call's page in a browser: joining, the pixels shown, whether the face moves."""

import json
from pathlib import Path
from typing import Any

from bench.browsers.chromium import Browser
from bench.browsers.firefox import Firefox
from bench.calls.page_call import EARS
from codec.media.files import file_frames
from models.face.detector import BlazeFace
from tests.waiting import until

LONG = 240.0
"""Limit in seconds for browsers that share two cores with networks."""
LOUD = "const s = new Float32Array(2048); window.heard?.getFloatTimeDomainData(s); return Math.max(...s.map(Math.abs));"
PIXELS = """
const canvas = document.createElement('canvas');
canvas.width = canvas.height = 32;
const context = canvas.getContext('2d');
context.drawImage(document.getElementById('remote'), 0, 0, 32, 32);
return Array.from(context.getImageData(0, 0, 32, 32).data).filter((_, i) => i % 4 != 3);
"""
STAGE = "const { remote, rough } = document.getElementById('stage').dataset; return remote === 'yes' && rough === 'no';"
STATE = "return document.getElementById('state').innerText"
CODE = "return document.getElementById('code').textContent"


async def opened(browser: Browser | Firefox, url: str) -> None:
    """Open the page of the room and join as soon as possible."""
    await browser.before(EARS)
    await browser.open(url)
    await until(lambda: browser.run("return !document.getElementById('join').disabled && Boolean(document.querySelector('svg'))"))
    await browser.click("#join")


async def drawn(browser: Browser | Firefox) -> list[int]:
    """The pixels that the page shows of the other person, once the network renders them."""
    await until(lambda: browser.run(STAGE), LONG, 0.5)

    async def bright() -> list[int] | None:
        pixels: list[int] = await browser.run(PIXELS)
        return pixels if max(pixels) > 60 else None

    found: list[int] = await until(bright, LONG, 0.5)
    return found


async def moves(browser: Browser | Firefox, first: list[int]) -> None:
    async def apart() -> bool:
        now = await browser.run(PIXELS)
        return sum(abs(a - b) for a, b in zip(first, now, strict=True)) / len(first) > 0.3

    await until(apart, LONG, 0.5)


def figures_of(ended: tuple[int, str, str], code: str) -> dict[str, Any]:
    """The final figures of ``facewire call --json``, after checking that it had the browser's safety code and a keyframe, and
    that no bundle was broken."""
    assert ended[0] == 0, ended[2][-2000:]
    figures: dict[str, Any] = json.loads(ended[1])
    assert figures["safety_code"] == code
    assert figures["keyframes"] >= 1
    assert figures["bundles_broken"] == 0
    return figures


def shows_a_face(film: Path) -> None:
    """Assert that a call's ``--out`` shows a face in most pictures. Plain grey pictures, before the first face and while the
    camera is off, don't count: their number depends on the machine."""
    detector = BlazeFace()
    seen = [frame for frame in list(file_frames(film))[::10] if frame.std() > 10]
    assert seen, "no picture of the browser's face was rendered"
    assert sum(bool(detector.detect(frame)) for frame in seen) > len(seen) / 2, "the rendered pictures show no face"
