"""A headless Firefox, controlled over WebDriver BiDi, which it supports itself (https://w3c.github.io/webdriver-bidi/)."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from bench.browsers.chromium import SLOWEST, BrowserError, line_with
from bench.browsers.sound_server import VOICE

PREFERENCES = {
    "media.navigator.streams.fake": True,  # Firefox's own fake camera and microphone
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.cubeb.backend": "pulse-rust",  # with ALSA an AudioContext may stay suspended
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "app.update.enabled": False,
}
HEARING = {"media.audio_loopback_dev": VOICE}
"""Further preferences, which make the sound server's voice the microphone."""


def available() -> bool:
    """Whether Firefox is installed."""
    return bool(shutil.which("firefox-esr"))


class Firefox:
    """One window, as an async context manager, with methods of :class:`bench.browsers.chromium.Browser`. Without a sound
    server its AudioContext never runs: pass a server's as ``environment`` (:mod:`bench.browsers.sound_server`), and ``hears``
    if that server speaks. Otherwise the microphone is a tone, which isn't taken for a voice and isn't sent."""

    def __init__(self, environment: dict[str, str] | None = None, hears: bool = False) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._preferences = PREFERENCES | (HEARING if hears else {})

    async def __aenter__(self) -> "Firefox":
        self._stack = contextlib.AsyncExitStack()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        profile = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="facewire-", ignore_cleanup_errors=True))
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in self._preferences.items()]
        Path(profile, "user.js").write_text("".join(lines))
        self._process = await asyncio.create_subprocess_exec(
            "firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0", "about:blank",
            env=self._environment | {"HOME": profile}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._stack.push_async_callback(self._end)
        address = (await line_with("WebDriver BiDi listening on", self._process.stderr, "Firefox")).split()[-1]
        http = await self._stack.enter_async_context(ClientSession())
        self._socket = await self._stack.enter_async_context(http.ws_connect(f"{address}/session", max_msg_size=0))
        self._numbers, self._waiting = itertools.count(1), dict[int, asyncio.Future[dict[str, Any]]]()
        tasks = [asyncio.create_task(self._read(self._socket)), asyncio.create_task(self._drain())]
        for task in tasks:
            self._stack.callback(task.cancel)
        await self._ask("session.new", capabilities={})
        self._context = (await self._ask("browsingContext.getTree"))["contexts"][0]["context"]

    async def _drain(self) -> None:
        assert self._process.stderr is not None
        while await self._process.stderr.read(1 << 14):
            pass

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        async for message in socket:
            found = json.loads(message.data)
            waiting = self._waiting.get(found.get("id"))
            if waiting and not waiting.done():
                waiting.set_result(found)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(BrowserError("Firefox has ended"))

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(SLOWEST):
            try:
                answer = await self._waiting[number]
            finally:
                del self._waiting[number]
        if answer["type"] == "error":
            raise BrowserError(f"Firefox refused {method}: {answer['message'].splitlines()[0]}")
        return dict(answer["result"])

    async def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def open(self, url: str) -> None:
        await self._ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def before(self, script: str) -> None:
        """Run a script in every page that is opened from now on, before the page's own scripts."""
        await self._ask("script.addPreloadScript", functionDeclaration=f"() => {{{script}}}")

    async def run(self, script: str) -> Any:
        """Run a function body in the page, which may use ``await``; returns what that returns."""
        expression = f"(async () => JSON.stringify((await (async () => {{{script}}})()) ?? null))()"
        target = {"context": self._context}
        answer = await self._ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        if answer["type"] == "exception":
            raise BrowserError(f"the page failed: {answer['exceptionDetails']['text']}")
        return json.loads(answer["result"]["value"])

    async def click(self, selector: str) -> None:
        """Click an element as a user does: it counts as a user gesture. ``selector``: a CSS selector."""
        x, y = await self.run(
            f"const element = document.querySelector({json.dumps(selector)}); element.scrollIntoView({{ block: 'center' }});"
            "const { x, y, width, height } = element.getBoundingClientRect();"
            "return [Math.round(x + width / 2), Math.round(y + height / 2)];"
        )
        steps = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._ask(
            "input.performActions", context=self._context, actions=[{"type": "pointer", "id": "mouse", "actions": steps}]
        )

    async def screenshot(self, path: Path) -> None:
        answer = await self._ask("browsingContext.captureScreenshot", context=self._context)
        path.write_bytes(base64.b64decode(answer["data"]))
