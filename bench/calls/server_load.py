"""How much load a signaling server can take: pairs fill its rooms as fast as possible. ``python -m
bench.calls.server_load OUT.json``.

The server runs as ``facewire serve`` in a separate process; the peers join, exchange an offer of a
typical size, and stay. Rooms are filled until the server refuses. Reported are joins a second, how long
a join takes (median, 99th percentile), how long a message takes from peer to peer while all rooms are
open, the server's memory, and the number of rooms when it first refused.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np

from bench.progress import clock
from bench.report_file import report_file
from codec.errors import reason

OFFER = json.dumps({"type": "offer", "sdp": "v=0\r\n" + "a=x" * 400})


@dataclass
class Load:
    """The measurements, times in seconds. ``refused_at``: rooms open when the server first refused,
    None if it didn't."""

    joins: list[float] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)
    refused_at: int | None = None
    code: str = ""

    def figures(self, seconds: float, memory: tuple[int, int]) -> dict[str, float | int | str | None]:
        joins, messages = np.array(self.joins or [0.0]) * 1e3, np.array(self.messages or [0.0]) * 1e3
        return {
            "joins": len(self.joins), "rooms": len(self.joins) // 2, "joins_per_second": len(self.joins) / seconds,
            "join_ms_p50": float(np.median(joins)), "join_ms_p99": float(np.percentile(joins, 99)),
            "message_ms_p50": float(np.median(messages)), "message_ms_p99": float(np.percentile(messages, 99)),
            "refused_at": self.refused_at, "refused_code": self.code,
            "memory_mb": memory[1] / 1e6, "memory_kb_a_room": (memory[1] - memory[0]) / 1e3 / max(1, len(self.joins) // 2),
        }  # fmt: skip


def resident(process: int) -> int:
    """Resident memory of a process in bytes, 0 where there is no /proc."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Full(Exception):
    """The server refused, as it should when it is full."""


async def _hear(socket: aiohttp.ClientWebSocketResponse, kind: str) -> None:
    while True:
        message = json.loads(await socket.receive_str(timeout=30))
        if message["type"] == "error":
            raise Full(message["code"])
        if message["type"] == kind:
            return


async def _pair(session: aiohttp.ClientSession, url: str, room: str, load: Load) -> list[aiohttp.ClientWebSocketResponse]:
    """Two peers that have joined a room; an offer was passed from one to the other. Raises :class:`Full`."""
    peers: list[aiohttp.ClientWebSocketResponse] = []
    try:
        for _ in range(2):
            began = time.perf_counter()
            socket = await session.ws_connect(url)
            peers.append(socket)
            await socket.send_str(json.dumps({"type": "join", "room": room}))
            await _hear(socket, "joined")
            load.joins.append(time.perf_counter() - began)
        await _talk(peers, load)
    except aiohttp.WSServerHandshakeError as error:
        raise Full(str(error.status)) from None
    except Full:
        for peer in peers:
            await peer.close()
        raise
    return peers


async def _talk(peers: Sequence[aiohttp.ClientWebSocketResponse], load: Load) -> None:
    began = time.perf_counter()
    await peers[0].send_str(OFFER)
    await _hear(peers[1], "offer")
    load.messages.append(time.perf_counter() - began)


async def fill(url: str, at_once: int, most: int) -> tuple[Load, float]:
    """Fill rooms, ``at_once`` pairs at a time, until the server refuses or ``most`` are open →
    (the measurements, seconds)."""
    load, opened = Load(), list[list[aiohttp.ClientWebSocketResponse]]()
    numbers = iter(range(most))

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            if load.refused_at is not None:
                return
            try:
                opened.append(await _pair(session, url, f"load-{number}", load))
            except Full as refusal:
                if load.refused_at is None:
                    load.refused_at, load.code = 0, str(refusal)
                return

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(at_once)))
        seconds = time.perf_counter() - began
        if load.refused_at is not None:  # pairs that were just joining have joined by now
            load.refused_at = len(opened)
        load.messages.clear()  # reported is how long they take when all rooms are open
        for peers in opened[:: max(1, len(opened) // 500)]:
            await _talk(peers, load)
    return load, seconds


async def measure(rooms: int, at_once: int, most: int, redis: str | None = None) -> dict[str, float | int | str | None]:
    """Start a server with at most ``rooms`` rooms, kept in memory or in ``redis``, and fill it. Raises
    ``RuntimeError`` if it doesn't start."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "facewire", "serve", "--port", "0", "--max-rooms", str(rooms), "--per-minute", "1000000",
        "--per-address", "1000000", *(["--redis", redis] if redis else []),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode().strip()
        if "http://" not in line:
            rest = line or (await process.stderr.read()).decode(errors="replace").strip()
            raise RuntimeError(f"the server did not start: {rest or 'no message'}")
        url = line[line.index("http://") :].split()[0].rstrip("/") + "/ws"
        before = resident(process.pid)
        load, seconds = await fill(url, at_once, most)
        return load.figures(seconds, (before, resident(process.pid)))
    finally:
        process.terminate()
        await process.wait()


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.server_load", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--rooms", type=int, default=1000, help="the server's --max-rooms")
    parser.add_argument("--most", type=int, default=2000, help="rooms to try")
    parser.add_argument("--at-once", type=int, default=20, help="pairs that join at the same time")
    parser.add_argument("--redis", help="redis://HOST: where the server keeps its rooms")
    options = parser.parse_args(arguments)
    try:
        with clock("filling rooms"):
            found = asyncio.run(measure(options.rooms, options.at_once, options.most, options.redis))
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    except (OSError, RuntimeError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    for key, value in found.items():
        write(f"{key:18} {value:.4g}\n" if isinstance(value, float) else f"{key:18} {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
