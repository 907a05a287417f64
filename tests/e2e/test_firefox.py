"""The call's page in Firefox, which can't encode Opus packets of 100 ms, counts no packets, and reads cameras differently."""

import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.browsers.fake_camera import camera_script, microphone
from bench.browsers.firefox import Firefox, available
from bench.browsers.sound_server import SoundServer
from bench.demo import shipped_clip
from codec.media.files import file_sound
from tests.e2e.call_page import CODE, LONG, LOUD, drawn, figures_of, moves, opened, shows_a_face
from tests.e2e.processes import facewire, finish, page_of
from tests.e2e.test_local_page import look
from tests.needs import needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

# Run only by hand: Firefox takes 60 MB, and no other test needs it.
BY_HAND = pytest.mark.skipif(
    not available() or not os.environ.get("FACEWIRE_FIREFOX"),
    reason="run by hand: apt-get install firefox-esr, FACEWIRE_FIREFOX=1",
)
pytestmark = [pytest.mark.e2e, BY_HAND, needs("pulseaudio"), needs_runtime]

NUMBERS = "return ['up', 'down'].map((name) => parseFloat(document.querySelector(`[data-stat=${name}]`).innerText))"

SPEAKING = 9.0
"""The least rate in kbit/s of a peer that is heard; pictures without sound take half of it."""


def told(stats: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stats.read_text().split("\n")[:-1]]


@pytest.mark.parametrize("hears", [False, True])
async def test_firefox_and_facewire_call(server: str, tmp_path: Path, hears: bool) -> None:
    url, film = server.replace("127.0.0.1", "localhost") + "/call/fox", tmp_path / "seen.mp4"
    stats = tmp_path / "stats.jsonl"
    clip = str(shipped_clip())
    there = await facewire(
        "call", "fox", "--server", server, "--video", clip, "--loop", "--out", str(film), "--json", "--stats", str(stats)
    )  # fmt: skip
    # Reversed: the page plays the same speech forwards, and Firefox would cancel it as an echo in the microphone.
    voice = microphone(tmp_path, np.concatenate(list(file_sound(shipped_clip())))[::-1])
    try:
        async with AsyncExitStack() as stack:
            sound = await stack.enter_async_context(SoundServer())
            if hears:
                await sound.speak(voice)
            browser = await stack.enter_async_context(Firefox(sound.environment, hears=hears))
            await browser.before(camera_script(shipped_clip()))
            await opened(browser, url)
            await moves(browser, await drawn(browser))
            await until(lambda: browser.run(f"{LOUD[:-1]} > 0.02"), LONG, 0.2)

            async def counted() -> bool:
                up, down = await browser.run(NUMBERS)
                return up > (SPEAKING if hears else 1) and down > 1

            await until(counted, LONG, 0.5)
            await until(
                lambda: stats.exists() and any(line.get("fps") for line in told(stats)),
                LONG,
                0.5,
            )
            code = await until(lambda: browser.run(CODE), LONG)  # a re-established connection has another code
            await browser.click("#hangup")
            out = await finish(there, LONG)
    finally:
        if there.returncode is None:
            there.send_signal(signal.SIGKILL)
    figures_of(out, code)
    shows_a_face(film)
    if hears:
        assert np.abs(np.concatenate(list(file_sound(film)))).max() > 0.02


async def test_firefox_shows_the_page_of_facewire_call(server: str, tmp_path: Path) -> None:
    film, stats, clip = tmp_path / "seen.mp4", tmp_path / "stats.jsonl", ["--video", str(shipped_clip()), "--loop"]
    there = await facewire("call", "page", "--server", server, *clip, "--out", str(film), "--stats", str(stats))
    here = await facewire("call", "page", "--server", server, "--page-port", "0", "--no-open")
    voice = microphone(tmp_path, np.concatenate(list(file_sound(shipped_clip())))[::-1])
    try:
        url = await page_of(here)
        async with AsyncExitStack() as stack:
            sound = await stack.enter_async_context(SoundServer())
            await sound.speak(voice)
            browser = await stack.enter_async_context(Firefox(sound.environment, hears=True))
            await browser.before(camera_script(shipped_clip()))
            await browser.open(url)

            async def seen() -> list[int] | None:
                width, _, _, pixels = await look(browser, "remote")
                return pixels if width == 256 and max(pixels) > 100 else None

            first = await until(seen, LONG, 0.5)

            async def moved() -> bool:
                pixels = (await look(browser, "remote"))[3]
                return sum(abs(a - b) for a, b in zip(first, pixels, strict=True)) / len(first) > 0.3

            await until(moved, LONG, 0.5)

            async def counted() -> bool:
                up, down = await browser.run(NUMBERS)
                return up > SPEAKING and down > SPEAKING and any(line["drawn_fps"] for line in told(stats))

            await until(counted, LONG, 0.5)
            await browser.click("#hangup")
            ended = [await finish(process, LONG) for process in (here, there)]
    finally:
        for process in (there, here):
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
    assert [code for code, _, _ in ended] == [0, 0], ended
    shows_a_face(film)
    assert np.abs(np.concatenate(list(file_sound(film)))).max() > 0.02
