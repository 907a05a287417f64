"""The demonstration: a whole call on this machine, with two peers in two processes and real WebRTC, and
the figures measured in it."""

import asyncio
import json
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import web

from bench.demo_pictures import write_moving, write_strip
from bench.progress import clock
from codec.errors import reason
from codec.media.timing import grid
from codec.media.types import UInt8
from signaling.call.trace import MAX_FRAMES
from signaling.rooms.server import create_app
from signaling.session.endpoints import is_camera
from signaling.session.session import write_json

ROOM = "demo"
CALL = "call.mp4"
"""The call as it was rendered, in the folder of the results."""
RECEIVED = "received.jsonl"
"""File of the receiver's figures, a line a second."""
SENT = "sent.jsonl"
"""File of the sender's figures, a line a second."""
END_SECONDS = 10.0
"""Seconds between SIGTERM and SIGKILL."""


class DemoError(RuntimeError):
    """The demonstration failed; the message is one line for the user."""


def shipped_clip() -> Path:
    """The clip that comes with facewire: NASA's photograph of Eileen Collins, moved by generated
    speech (bench/make_clip.py)."""
    return Path(str(resources.files("bench").joinpath("clips", "astronaut.mp4")))


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    """Serve ``app`` on a free loopback port → (the runner, to be cleaned up in the end; its URL)."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def run_peer(arguments: list[str], on_line: Callable[[str], None]) -> dict[str, Any]:
    """Run ``facewire ARGUMENTS --json`` and return its figures. Raises :class:`DemoError` with its last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "facewire", *arguments, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    last = ""
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            last = text or last
            on_line(text)
        output = await process.stdout.read()
        if code := await process.wait():
            raise DemoError(f"{arguments[0]} failed: {last or f'exit status {code} and no message'}")
        return dict(json.loads(output))
    except ValueError:
        raise DemoError(f"{arguments[0]} ended without figures: {last or 'no message'}") from None
    except asyncio.CancelledError:
        on_line(f"{arguments[0]} was stopped; its last line: {last or 'none'}")
        raise
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process: SIGTERM, then SIGKILL after :data:`END_SECONDS`."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def two_peers(
    receiving: list[str], sending: list[str], seconds: float, on_line: Callable[[str], None] = lambda _: None
) -> None:
    """Run ``facewire receive`` and ``send`` with these options in one room of a separate server, until
    both have ended by themselves: at most 90 s after the ``seconds`` of the call. ``on_line`` is called
    with each line that the receiver prints. Raises :class:`DemoError`."""
    runner, url = await serve(create_app())
    where, newest = [ROOM, "--server", url], {"receive": "nothing", "send": "nothing"}

    def listen(peer: str, line: str) -> None:
        newest[peer] = line or newest[peer]
        if peer == "receive":
            on_line(line)

    try:
        async with asyncio.timeout(seconds + 90), asyncio.TaskGroup() as tasks:
            tasks.create_task(run_peer(["receive", *where, *receiving], partial(listen, "receive")))
            tasks.create_task(run_peer(["send", *where, *sending, "--seconds", str(seconds)], partial(listen, "send")))
    except TimeoutError:
        words = ", ".join(f"last line of {peer}: {line}" for peer, line in newest.items())
        raise DemoError(f"the call did not end within {seconds + 90:.0f} s; {words}") from None
    except ExceptionGroup as error:
        raise DemoError(f"the call failed: {reason(error)}") from None
    finally:
        await runner.cleanup()


async def _call(
    folder: Path, out: Path, video: str, audio: str | None, seconds: float, show: bool, say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    runner, server = await serve(create_app())

    def line(text: str) -> None:
        if "http://localhost" in text:
            say(text)
            if show:
                # In a separate thread: opening a browser that runs in the terminal blocks until it ends.
                url = text[text.index("http://") :].split()[0]
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    receive = ["receive", ROOM, "--server", server, "--out", str(out / CALL), "--out", "page", "--trace", str(folder)]
    receive += ["--stats", str(folder / RECEIVED)]
    send = ["send", ROOM, "--server", server, "--video", video, "--seconds", str(seconds), "--loop", "--trace", str(folder)]
    send += ["--stats", str(folder / SENT)]
    send += ["--audio", audio] if audio else []
    tasks = [asyncio.create_task(run_peer(a, line)) for a in (receive, send)]
    try:
        async with asyncio.timeout(seconds + 90):
            received, sent = await asyncio.gather(*tasks)
    except TimeoutError:
        raise DemoError(f"the call did not end within {seconds + 90:.0f} s") from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
    return sent, received


def _lines(stats: Path) -> list[dict[str, Any]]:
    """The lines of a call's ``--stats`` while it was connected."""
    try:
        lines = stats.read_text().splitlines()
    except OSError:
        return []
    return [found for line in lines if line.endswith("}") and (found := json.loads(line))["connected"]]


def live(folder: Path) -> tuple[float, str]:
    """(seconds that the call has been connected; current frames a second, kbit/s on the wire and delay, as text)."""
    received, sent = _lines(folder / RECEIVED), _lines(folder / SENT)
    if not received or not sent:
        return 0.0, "connecting"
    words, (before, now) = [f"{received[-1]['fps']:.0f} FPS"], (sent[-3:][0], sent[-1])
    if now["t"] > before["t"]:
        words.append(f"{(now['out'] - before['out']) * 8e-3 / (now['t'] - before['t']):.1f} kbit/s")
    if received[-1]["delay_ms"] is not None:
        words.append(f"{received[-1]['delay_ms']:.0f} ms")
    return now["t"] - sent[0]["t"], "  ".join(words)


def delays(sent: Mapping[str, npt.NDArray[Any]], shown: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """Seconds from capture to display for each frame shown. A frame is captured during its tick,
    before the bundle is made."""
    out = []
    captures = {}
    for start, length, end, _ in sent["ticks"]:
        for number in grid(int(start), int(length)):
            captures[number] = end - (start + length - number * 40) / 1000
    for number, time in zip(shown["numbers"], shown["times"], strict=True):
        if int(number) in captures:
            out.append(time - captures[int(number)])
    return np.array(out)


def _psnr(sent: dict[str, UInt8], shown: dict[str, UInt8]) -> tuple[float, list[tuple[int, int]]]:
    """PSNR in dB of the frames shown against the sender's crops, mean over frames; and the pairs of indexes."""
    where = {int(n): i for i, n in enumerate(sent["numbers"])}
    pairs = [(where[int(n)], i) for i, n in enumerate(shown["numbers"]) if int(n) in where]
    values = []
    for a, b in pairs:
        error = ((sent["crops"][a].astype(np.float32) - shown["frames"][b]) ** 2).mean()
        values.append(10 * np.log10(255**2 / max(float(error), 1e-3)))
    return (float(np.mean(values)) if values else 0.0), pairs


def run_demo(
    out: Path, video: str | None = None, audio: str | None = None, seconds: float = 20.0, show: bool = True,
    say: Callable[[str], None] = lambda _: None, quiet: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Make the call and write ``strip.png``, ``moving.webp``, ``call.mp4``, ``report.json`` into
    ``out``. Returns the report. Unless ``quiet``, shows the progress.

    Raises :class:`DemoError` and ``OSError``.
    """
    if video and not is_camera(video) and not Path(video).is_file():
        raise DemoError(f"no such file: {video}")
    if video and (out / CALL).exists() and Path(video).exists() and (out / CALL).samefile(video):
        raise DemoError(f"{video} would be replaced by the call; name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="facewire-") as temporary:
        folder = Path(temporary)
        with clock("calling", seconds, quiet, partial(live, folder)):
            sent, received = asyncio.run(_call(folder, out, video or str(shipped_clip()), audio, seconds, show, say))
        record = {name: dict(np.load(folder / f"{name}.npz")) for name in ("sent", "shown")}
    shown = record["shown"]
    if len(shown["numbers"]) < 2:
        raise DemoError("no picture came through: is a face in the video?")
    waited = delays(record["sent"], shown)
    psnr, pairs = _psnr(record["sent"], shown)
    if pairs:
        write_strip(record["sent"], shown, pairs, out / "strip.png")
        write_moving(record["sent"], shown, pairs, out / "moving.webp")
    lasted = float(shown["times"][-1] - shown["times"][0])
    drawing = lasted if len(shown["numbers"]) < MAX_FRAMES else received["seconds"]  # only the start of longer calls is recorded
    report = {
        "bpp_video": sent["bpp_video"],
        "bpp_with_keyframe": sent["bpp_with_keyframe"],
        "wire_kbps_out": sent["wire_kbps_out"],
        "wire_kbps_in": sent["wire_kbps_in"],
        "fps": round((len(shown["numbers"]) - 1) / lasted, 2),
        "drawn_fps": round(received["frames"] / drawing, 2),
        "frames": len(shown["numbers"]),
        "delay_ms_p50": round(float(np.percentile(waited, 50)) * 1000, 1),
        "delay_ms_p95": round(float(np.percentile(waited, 95)) * 1000, 1),
        "psnr_db": round(psnr, 2),
        "seconds": seconds,
        "sender": sent,
        "receiver": received,
    }
    write_json(out / "report.json", report)
    return report
