"""A client of chromedriver with the few calls of the W3C WebDriver protocol that the page's tests and benchmarks need."""

import asyncio
import base64
import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--use-fake-ui-for-media-stream",
    "--window-size=1000,760",
)  # fmt: skip
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"
SLOWEST = 120.0
"""Seconds that the browser may take for anything, on a busy machine."""
FAKE_DEVICES = "--use-fake-device-for-media-stream"


def available() -> bool:
    """Whether Chromium and its driver are installed."""
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class BrowserError(RuntimeError):
    """The browser or its driver failed; the message is one line."""


async def line_with(marker: str, output: asyncio.StreamReader | None, program: str) -> str:
    """The first line of a program's output that contains ``marker``. Raises :class:`BrowserError`, with its last lines, if none
    does."""
    assert output is not None
    lines = []
    try:
        async with asyncio.timeout(SLOWEST):
            async for line in output:
                lines.append(line.decode(errors="replace").strip())
                if marker in lines[-1]:
                    return lines[-1]
    except TimeoutError:
        raise BrowserError(f"{program} did not start within {SLOWEST:.0f} s: {lines[-3:]}") from None
    raise BrowserError(f"{program} ended at once: {lines[-3:]}")


def family(root: int) -> set[int]:
    """A process and all its descendants."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # The name in parentheses may hold blanks; the parent's number is the second field after it.
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {root}
    while new:
        found |= new
        new = {pid for pid, parent in parents.items() if parent in new}
    return found


def _own_mb(pid: int) -> float:
    """Proportional set size of a process in MB: a shared page is divided among the processes that share it."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) * 1024 / 1e6


class Browser:
    """One headless window, as an async context manager."""

    def __init__(
        self, *options: str, environment: dict[str, str] | None = None, fake_devices: bool = True, autoplay: bool = True
    ) -> None:
        """``options``: Chromium's, besides :data:`OPTIONS`. ``environment``: None takes this process's.
        ``fake_devices``: Chromium's own fake camera and microphone, not the machine's. ``autoplay``:
        sound plays before the user has touched the page."""
        more = (FAKE_DEVICES,) * fake_devices + (AUTOPLAY,) * autoplay
        self._options, self._environment = (*options, *more), environment

    async def __aenter__(self) -> "Browser":
        self._process = await asyncio.create_subprocess_exec(
            "chromedriver",
            "--port=0",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=self._environment,
        )
        assert self._process.stdout is not None
        self._http = ClientSession(timeout=ClientTimeout(SLOWEST))
        try:
            self._url = await self._address()
            options = {"binary": shutil.which("chromium"), "args": [*OPTIONS, *self._options]}
            wanted = {
                "browserName": "chrome", "goog:chromeOptions": options, "timeouts": {"script": round(SLOWEST * 1000)},
            }  # fmt: skip
            self._session = (await self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}))["sessionId"]
        except BaseException:
            await self._end()
            raise
        return self

    async def _address(self) -> str:
        """The URL at which chromedriver listens. Raises :class:`BrowserError`, with its output, if it doesn't."""
        line = await line_with("started successfully on port", self._process.stdout, "chromedriver")
        return f"http://127.0.0.1:{line.split()[-1].strip('.')}"

    async def _end(self) -> None:
        await self._http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(15):
                await self._ask("DELETE", f"/session/{self._session}")
        except (TimeoutError, ClientError, BrowserError):
            pass  # a browser that doesn't end by itself is ended with its driver
        finally:
            await self._end()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with self._http.request(method, self._url + path, json=body) as answer:
            value = (await answer.json())["value"]
            if answer.status != 200:
                message = value.get("message", value) if isinstance(value, dict) else value
                raise BrowserError(f"the browser refused {path.rsplit('/', 1)[-1]}: {str(message).splitlines()[0]}")
            return value

    async def memory_mb(self) -> float:
        """Memory of all the browser's processes, in MB; memory that they share counts once. 0 on systems without Linux's
        ``/proc``."""
        # In another thread: what runs on this event loop, such as a relay, must not be blocked meanwhile.
        return await asyncio.to_thread(lambda: sum(map(_own_mb, family(self._process.pid))))

    async def open(self, url: str) -> None:
        await self._ask("POST", f"/session/{self._session}/url", {"url": url})

    async def develop(self, command: str, **parameters: Any) -> None:
        """A command of Chromium's developer tools."""
        body = {"cmd": command, "params": parameters}
        await self._ask("POST", f"/session/{self._session}/goog/cdp/execute", body)

    async def before(self, script: str) -> None:
        """Run a script in every page that is opened from now on, before the page's own scripts."""
        await self.develop("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def media(self, scheme: str) -> None:
        """Emulate the colour scheme ``light`` or ``dark``."""
        await self.develop("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def size(self, width: int, height: int) -> None:
        """Give the page a screen of this size in CSS pixels, for instance a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.develop("Emulation.setDeviceMetricsOverride", **metrics)

    async def run(self, script: str) -> Any:
        """Run a function body in the page; returns what that returns."""
        return await self._ask("POST", f"/session/{self._session}/execute/sync", {"script": script, "args": []})

    async def run_async(self, script: str) -> Any:
        """Run a function body in the page; returns what that passes to its last argument, a callback."""
        return await self._ask("POST", f"/session/{self._session}/execute/async", {"script": script, "args": []})

    async def click(self, selector: str) -> None:
        """Click an element as a user does: it counts as a user gesture. ``selector``: a CSS selector."""
        (element,) = (await self._ask("POST", self._at("element"), {"using": "css selector", "value": selector})).values()
        await self._ask("POST", self._at(f"element/{element}/click"), {})

    def _at(self, path: str) -> str:
        return f"/session/{self._session}/{path}"

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(await self._ask("GET", f"/session/{self._session}/screenshot")))
