"""Calls of the browser's peer, on good and bad networks: ``python -m bench.calls.page_call OUT.json``.

Headless Chromium with a clip as camera and microphone, through the real server; every datagram goes through
:mod:`bench.calls.relay`, which counts what is on the wire. Everything runs on this machine: with two cores, two sides
that both render have one each. The first case shows what a browser does that has the machine to itself.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.browsers.chromium import Browser, BrowserError, available
from bench.browsers.fake_camera import chromium_options
from bench.calls.recorded import send_recorded
from bench.calls.relay import IP_UDP, Impairment, SignalingProxy, UdpRelay
from bench.demo import DemoError, run_peer, serve, shipped_clip
from bench.progress import run_cases
from bench.report_file import report_file
from codec.errors import reason
from codec.media.files import SourceError, file_frames
from sender.encode_file import encode_file
from sender.stream import StreamConfig
from signaling.rooms.server import create_app

LONGEST = 120.0
"""Seconds within which a face must be seen."""
LOBBY = 8.0
"""Seconds in the preview before joining: meanwhile the page loads what it needs only later."""
MEMORY_EVERY = 60.0
"""Seconds between two measurements of the browser's memory."""
EARS = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  const call = this instanceof AudioWorkletNode; // not the page's own chime
  if (call && to instanceof AudioDestinationNode) connect.call(this, (window.heard = to.context.createAnalyser()));
  return connect.call(this, to, ...rest);
};
"""
"""Run before the page's own scripts: makes what the page plays measurable."""
SEEN = """
const done = arguments[arguments.length - 1];
const look = () => (document.body.dataset.seen === 'yes' ? done(true) : setTimeout(look, 100));
look();
"""
"""Waits until the networks are loaded, and the preview is rendered from what will be sent."""
LOOK = """
const { remote, rough } = document.getElementById('stage').dataset;
const figure = (name) => parseFloat(document.querySelector(`[data-stat="${name}"]`).innerText) || null;
const sound = new Float32Array(2048);
window.heard?.getFloatTimeDomainData(sound);
return {
  face: remote === 'yes' && rough === 'no', pixels: remote === 'yes',
  fps: figure('fps'), drawn: figure('drawn'), delay: figure('delay'),
  concealed: document.getElementById('readout').title, loud: Math.max(...sound.map(Math.abs)), state: document.body.dataset.phase,
};
"""
RECORDED = "recorded"
"""The command of a peer that sends what was encoded before: :mod:`bench.calls.recorded`."""


@dataclass(frozen=True)
class Case:
    """The browser's peer is ``name``: ``command`` of facewire, a browser if that is "", or :data:`RECORDED`, which costs this
    machine next to nothing. ``send`` renders nothing, but looks for a face. ``blackout``: seconds without any datagram, in
    the middle."""

    name: str
    command: str
    network: Impairment = field(default_factory=Impairment)
    blackout: float = 0.0


THIN = Impairment(kbps=12.5, queue=1.5, delay=0.04)
CASES = (
    Case("another machine", RECORDED),
    Case("facewire send", "send"),
    Case("facewire send, 10 % loss", "send", Impairment(loss=0.10, delay=0.04)),
    Case("facewire send, blackout of 3 s", "send", Impairment(delay=0.04), 3.0),
    Case("facewire call, on the same two cores", "call"),
    Case("another browser, on the same two cores", ""),
    Case("facewire call, 12.5 kbit/s", "call", THIN),
    Case("another browser, 12.5 kbit/s", "", THIN),
    Case("another browser, 14 kbit/s", "", Impairment(kbps=14, queue=1.5, delay=0.04)),
)


@asynccontextmanager
async def page(url: str, clip: Path, folder: Path) -> AsyncIterator[Browser]:
    """A browser that has joined the room of ``url``."""
    async with Browser(*chromium_options(clip, folder)) as browser:
        await browser.before(EARS)
        await browser.open(url)
        await browser.run_async(SEEN)
        await asyncio.sleep(LOBBY)
        await browser.click("#join")
        yield browser


async def call(case: Case, seconds: float, clip: Path) -> dict[str, Any]:
    """Run one case. Raises ``TimeoutError``, :class:`BrowserError`, :class:`bench.demo.DemoError`."""
    server, direct = await serve(create_app())
    relay, wire = UdpRelay(case.network), Counter[str]()
    relay.on_datagram = lambda to, data: wire.update({to: len(data) + IP_UDP})
    proxy, url = await serve(SignalingProxy(direct, relay).app)
    there: asyncio.Task[Any] | None = None
    try:
        async with AsyncExitStack() as stack:
            folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
            room = f"{url.replace('127.0.0.1', 'localhost')}/call/bench"
            if case.command == RECORDED:
                file = folders[1] / "sent.fw"
                await asyncio.to_thread(encode_file, clip, file, StreamConfig())
                there = asyncio.create_task(send_recorded(file, url, "bench"))
            elif case.command:
                words = [case.command, "bench", "--server", url, "--video", str(clip), "--loop"]
                words += ["--no-refresh"] if case.command == "send" else ["--out", str(folders[1] / "out.mp4"), "--no-open"]
                there = asyncio.create_task(run_peer([*words, "--seconds", str(seconds + LONGEST)], lambda _: None))
            else:
                await stack.enter_async_context(page(room, clip, folders[1]))
            began = time.monotonic()
            browser = await stack.enter_async_context(page(room, clip, folders[0]))
            found = await watch(case, browser, relay, wire, seconds, began)
            await browser.click("#hangup")
            if there:
                await there
            return found
    finally:
        if there and not there.done():
            there.cancel()
            await asyncio.gather(there, return_exceptions=True)
        await proxy.cleanup()
        await server.cleanup()
        relay.close()


async def watch(
    case: Case, browser: Browser, relay: UdpRelay, wire: Counter[str], seconds: float, began: float
) -> dict[str, Any]:  # fmt: skip
    """Measure from joining on: until a face is seen, and then for ``seconds`` of the established call."""
    joined, first = time.monotonic(), {"pixels": 0.0, "face": 0.0}
    async with asyncio.timeout(LONGEST):
        while not first["face"]:
            looked = await browser.run(LOOK)
            for name in first:
                first[name] = first[name] or (time.monotonic() - joined) * looked[name]
            await asyncio.sleep(0.1)
    await asyncio.sleep(5)  # the keyframe has been sent, the frame rate has settled
    start, sent, looks, memory = time.monotonic(), dict(wire), [], [(0.0, await browser.memory_mb())]
    while (now := time.monotonic() - start) < seconds:
        relay.blocked = bool(case.blackout) and seconds / 2 <= now < seconds / 2 + case.blackout
        looks.append(await browser.run(LOOK))
        if now > memory[-1][0] + MEMORY_EVERY:
            memory.append((now, await browser.memory_mb()))
        await asyncio.sleep(0.5)
    kbps = [(wire[side] - sent.get(side, 0)) * 8e-3 / now for side in ("offer", "answer")]
    concealed = [int(number) for number in re.findall(r"\d+", looks[-1]["concealed"])]
    return {
        "ready_s": joined - began, "pixels_s": first["pixels"], "face_s": first["face"],
        "fps": statistics.median(look["fps"] or 0 for look in looks),
        "drawn_fps": statistics.median(look["drawn"] or 0 for look in looks),
        "delay_ms": statistics.median(look["delay"] or 0 for look in looks),
        "kbps_least": min(kbps), "kbps_most": max(kbps), "concealed": concealed[0] / max(1, concealed[1]),
        "memory_mb": [round(mb) for _, mb in memory],
        "loudest": max(look["loud"] for look in looks), "stood": float(looks[-1]["state"] == "call"),
    }  # fmt: skip


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown, one row for each case."""
    lines = [
        "| peer | first pixels, s | first face, s | FPS | rendered by the network | delay, ms | kbit/s, least, most | concealed "
        "| memory, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, f in found.items():
        cells = f"{f['pixels_s']:.1f} | {f['face_s']:.1f} | {f['fps']:.1f} | {f['drawn_fps']:.1f} | {f['delay_ms']:.0f}"
        rest = f"{f['kbps_least']:.1f}, {f['kbps_most']:.1f} | {f['concealed']:.0%} | {f['memory_mb'][-1]}"
        lines.append(f"| {name} | {cells} | {rest} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.page_call", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=report_file)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each call, once a face is seen")
    parser.add_argument("--video", type=Path, default=shipped_clip())
    parser.add_argument("--only", help="only cases whose name contains this")
    options = parser.parse_args(arguments)
    if not available():
        print("this needs a browser: apt-get install chromium chromium-driver", file=sys.stderr)
        return 1
    try:
        next(file_frames(options.video))
    except SourceError as error:
        print(reason(error), file=sys.stderr)
        return 1
    found, well = run_cases(
        CASES, options.only, options.seconds, options.out,
        lambda case: asyncio.run(call(case, options.seconds, options.video)),
        lambda name, figures: table({name: figures}).splitlines()[-1], (OSError, TimeoutError, BrowserError, DemoError), print,
    )  # fmt: skip
    print(table(found))
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
