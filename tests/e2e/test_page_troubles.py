"""Errors around a call of the browser's page, in headless Chromium: the page reports them, and continues once they end."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench.browsers.chromium import Browser
from bench.browsers.fake_camera import chromium_options
from bench.demo import shipped_clip
from codec.bundle import NO_CAMERA, Bundle, Face
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.transport.peer import Peer
from tests.e2e.call_page import LONG, STAGE, STATE, drawn, opened
from tests.e2e.processes import facewire
from tests.needs import BROWSER, needs
from tests.signaling.web.peer.conftest import needs_runtime
from tests.waiting import until

pytestmark = [pytest.mark.e2e, needs(*BROWSER), needs_runtime]

UNPLUGGED = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
[window.plugged, window.asked] = [false, []];
navigator.mediaDevices.getUserMedia = (wanted) => {
  window.asked.push(Object.keys(wanted).sort().join());
  return window.plugged ? real(wanted) : Promise.reject(new DOMException("", "NotFoundError"));
};
"""
REFUSED = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const query = navigator.permissions.query.bind(navigator.permissions);
let [allowed, status] = [false, null];
navigator.mediaDevices.getUserMedia = (wanted) =>
  wanted.audio && !allowed ? Promise.reject(new DOMException("", "NotAllowedError")) : real(wanted);
navigator.permissions.query = async (wanted) => {
  if (wanted.name !== "microphone") return query(wanted);
  status = { state: "denied", onchange: null };
  return status;
};
window.allow = () => {
  allowed = true;
  status.state = "granted";
  status.onchange?.();
};
"""
LOADED_ONCE = """
const [real, load] = [navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices), AudioWorklet.prototype.addModule];
[window.opened, window.loads] = [0, 0];
let microphone = null;
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await real(wanted);
  if (wanted.audio) [microphone, window.opened] = [stream.getAudioTracks()[0], window.opened + 1];
  return stream;
};
AudioWorklet.prototype.addModule = function (url) {
  if (url.includes("tap") && window.loads++) return Promise.reject(new DOMException("Unable to load a worklet's module."));
  return load.call(this, url);
};
window.unplug = () => {
  microphone.stop();
  microphone.onended(); // which a page's own stop() does not call
};
"""
FAILS_TWICE = """
const load = AudioWorklet.prototype.addModule;
const failed = new WeakSet();
let times = 0;
AudioWorklet.prototype.addModule = function (url) {
  // A context that failed to load a module never asks for it again, as in browsers.
  if (url.includes("tap") && (failed.has(this) || times++ < 2)) {
    failed.add(this);
    return Promise.reject(new DOMException("Unable to load a worklet's module."));
  }
  return load.call(this, url);
};
window.told = new Set();
addEventListener("DOMContentLoaded", () => {
  const trouble = document.getElementById("trouble");
  new MutationObserver(() => window.told.add(trouble.textContent)).observe(trouble, { childList: true });
});
"""
PLUGGED = "window.plugged = true; navigator.mediaDevices.dispatchEvent(new Event('devicechange'))"
FIRST_FAILS = """
const Real = RTCPeerConnection;
window.made = 0;
window.RTCPeerConnection = class extends Real {
  constructor(...given) {
    super(...given);
    this.fails = window.made++ === 0;
    if (this.fails) setTimeout(() => this.onconnectionstatechange?.(), 50);
  }
  get connectionState() {
    return this.fails ? "failed" : super.connectionState;
  }
};
window.told = new Set();
addEventListener("DOMContentLoaded", () => {
  const trouble = document.getElementById("trouble");
  new MutationObserver(() => window.told.add(trouble.textContent)).observe(trouble, { childList: true });
});
"""
NOTES = """
window.notes = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.notes += 1;
  return start.call(this, at);
};
"""
TROUBLE = "const { hidden, innerText } = document.getElementById('trouble'); return hidden ? '' : innerText"
INSTEAD = "return document.getElementById('waiting').innerText"


def page(server: str, room: str) -> str:
    return f"{server.replace('127.0.0.1', 'localhost')}/call/{room}"


async def joined(stack: AsyncExitStack, server: str, room: str) -> list[Bundle]:
    """Connect another peer to the room until the stack ends; returns the list of bundles received from the page."""
    bundles: list[Bundle] = []
    client = await stack.enter_async_context(SignalingClient(server, room))
    peer = Peer(IceConfig(), lambda data: bundles.append(Bundle.parse(data)), lambda _: None)
    stack.push_async_callback(peer.close)
    await peer.connect(client, LONG)
    return bundles


async def test_devices_are_used_once_they_are_plugged_in(server: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser(*chromium_options(shipped_clip(), tmp_path)))
        await browser.before(UNPLUGGED)
        await opened(browser, page(server, "bare"))
        bundles = await joined(stack, server, "bare")
        assert await browser.run(TROUBLE) == "No camera: there is none. No microphone: there is none."
        await until(lambda: bundles and bundles[-1].muted and bundles[-1].face in (Face.NONE, *NO_CAMERA), LONG)
        assert await browser.run("return window.asked") == ["audio,video", "video", "audio"], "one request for both, then each"
        await browser.run(PLUGGED)
        await until(lambda: browser.run(f"return !(() => {{ {TROUBLE} }})()"), LONG, 0.2)
        await until(lambda: not bundles[-1].muted and bundles[-1].face == Face.TRACKED, LONG)
        await until(lambda: browser.run("return document.getElementById('level').value > 0.2"), LONG, 0.1)


async def test_a_failed_connection_is_tried_again_and_another_call_can_follow(server: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser(*chromium_options(shipped_clip(), tmp_path)))
        await browser.before(FIRST_FAILS)
        await opened(browser, page(server, "far"))
        await joined(stack, server, "far")
        await until(lambda: browser.run(f"{STATE} === 'connected'"), LONG)
        assert any("another attempt" in line for line in await browser.run("return [...window.told]"))
        assert not await browser.run(TROUBLE)
        await browser.click("#hangup")
        await until(lambda: browser.run("return !document.getElementById('again').hidden"), LONG)
        await browser.click("#again")
        await until(
            lambda: browser.run("return document.body.dataset.phase === 'lobby' && !document.getElementById('join').disabled"),
            LONG,
        )


async def test_a_connection_without_data_is_shown_as_interrupted(server: str, tmp_path: Path) -> None:
    there = await facewire("send", "still", "--server", server, "--video", str(shipped_clip()), "--loop")
    try:
        async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
            await opened(browser, page(server, "still"))
            await drawn(browser)
            there.send_signal(signal.SIGSTOP)
            await until(
                lambda: browser.run(
                    f"{INSTEAD}.includes('interrupted') && document.getElementById('stage').dataset.remote === 'no'"
                ),
                LONG,
            )
            await asyncio.sleep(1)
            there.send_signal(signal.SIGCONT)
            await until(lambda: browser.run(STAGE), LONG)
    finally:
        there.kill()
        await there.wait()


async def test_a_sound_is_played_when_somebody_joins_after_a_long_wait(server: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser(*chromium_options(shipped_clip(), tmp_path)))
        await browser.before(NOTES)
        await opened(browser, page(server, "waiting"))
        await until(lambda: browser.run(f"{STATE} === 'waiting'"), LONG)
        await asyncio.sleep(6)
        assert await browser.run("return window.notes") == 0
        await joined(stack, server, "waiting")
        await until(lambda: browser.run("return window.notes === 2"), LONG)


async def test_a_denied_microphone_is_used_once_it_is_allowed(server: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser(*chromium_options(shipped_clip(), tmp_path)))
        await browser.before(REFUSED)
        await opened(browser, page(server, "shy"))
        bundles = await joined(stack, server, "shy")
        assert await browser.run(TROUBLE) == "No microphone: allow it in the settings of browser and system."
        await until(lambda: bundles and bundles[-1].muted, LONG)
        await browser.run("window.allow()")
        await until(lambda: not bundles[-1].muted, LONG)
        await until(lambda: browser.run(f"return !(() => {{ {TROUBLE} }})()"), LONG, 0.2)


async def test_another_microphone_is_heard_while_the_server_is_away(server: str, tmp_path: Path) -> None:
    async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
        await browser.before(LOADED_ONCE)
        await browser.open(page(server, "away"))
        await until(lambda: browser.run("return document.getElementById('level').value > 0.2"), LONG, 0.1)
        await browser.run("window.unplug()")
        await until(lambda: browser.run("return window.opened === 2"), LONG, 0.1)
        assert await browser.run(TROUBLE) == ""
        await until(lambda: browser.run("return document.getElementById('level').value > 0.2"), LONG, 0.1)


async def test_a_microphone_is_heard_once_the_server_is_back(server: str, tmp_path: Path) -> None:
    async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
        await browser.before(FAILS_TWICE)
        await browser.open(page(server, "slow"))
        await until(lambda: browser.run("return document.getElementById('level').value > 0.2"), LONG, 0.1)
        assert await browser.run("return [...window.told]") == ["No microphone: the server does not answer."]
        assert await browser.run(TROUBLE) == ""


async def test_devices_can_be_chosen_before_the_call(server: str, tmp_path: Path) -> None:
    async with Browser(*chromium_options(shipped_clip(), tmp_path)) as browser:
        await browser.open(page(server, "early"))
        await until(lambda: browser.run("return document.getElementById('level').value > 0.2"), LONG, 0.1)
        assert await browser.run("return document.getElementById('panel').offsetParent === null")
        await browser.click("#devices")
        await until(lambda: browser.run("return document.querySelector('#panel select')?.offsetParent !== null"), LONG, 0.1)
