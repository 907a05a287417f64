"""The page's keyboard shortcuts: they work, and can be switched off for good."""

from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from tests.e2e.call_page import LONG
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

PRESS_M = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'm', bubbles: true}))"
MUTED = "return document.getElementById('mute').dataset.on === 'true'"
READY = "return document.body.dataset.phase === 'lobby' && !document.getElementById('join').disabled"
HINTS = "return getComputedStyle(document.querySelector('#mute kbd')).display !== 'none'"
ANNOUNCED = "return document.getElementById('mute').hasAttribute('aria-keyshortcuts')"


async def test_shortcuts_can_be_switched_off_and_stay_off(server: str, tmp_path: Path) -> None:
    url = f"{server.replace('127.0.0.1', 'localhost')}/call/keys"
    async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
        await browser.size(1280, 800)
        await browser.open(url)
        await until(lambda: browser.run(READY), LONG)
        for muted in (True, False):
            await browser.run(PRESS_M)
            assert await browser.run(MUTED) is muted
        assert await browser.run(HINTS)
        assert await browser.run(ANNOUNCED)

        await browser.click("#devices")
        await browser.click("#shortcuts")
        for _ in range(2):  # at once, and after the page was loaded again
            await browser.run(PRESS_M)
            assert not await browser.run(MUTED)
            assert not await browser.run(HINTS)
            assert not await browser.run(ANNOUNCED)
            await browser.open(url)
            await until(lambda: browser.run(READY), LONG)
        await browser.click("#devices")
        await browser.screenshot(tmp_path / "devices.png")
        await browser.click("#shortcuts")
        await browser.run(PRESS_M.replace("document.body", "document.activeElement"))  # the checkbox has the focus
        assert await browser.run(MUTED)
