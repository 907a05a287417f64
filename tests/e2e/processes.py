"""Peers as real processes."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 180.0
"""Limit in seconds for what a call does by itself, enough for a busy machine."""
REPOSITORY = Path(__file__).resolve().parents[2]


async def facewire(*arguments: str) -> asyncio.subprocess.Process:
    """Start ``facewire ARGUMENTS``."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "facewire", "--verbose", *arguments, cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def finish(process: asyncio.subprocess.Process, seconds: float = 30.0) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that ends by itself. It is killed if it does not end within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        said = f"stdout: {out.decode()[-500:] or 'nothing'}; stderr: {err.decode()[-2000:] or 'nothing'}"
        raise AssertionError(f"did not end within {seconds} s; {said}") from None
    return process.returncode or 0, out.decode(), err.decode()


async def finish_all(*processes: asyncio.subprocess.Process, seconds: float) -> list[tuple[int, str, str]]:
    """:func:`finish` of each. If one fails, the others are killed so that they don't slow down the next test."""
    try:
        return await asyncio.gather(*(finish(process, seconds) for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def follow(stats: Path, process: asyncio.subprocess.Process, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Wait until ``enough`` is true of the lines of a call's ``--stats``, at most :data:`MOST` seconds, then hang up."""
    end = time.monotonic() + MOST
    while time.monotonic() < end and process.returncode is None:
        lines = stats.read_text().splitlines() if stats.exists() else []
        if enough([json.loads(line) for line in lines if line.endswith("}")]):
            break
        await asyncio.sleep(0.5)
    if process.returncode is None:
        process.send_signal(signal.SIGINT)


async def page_of(process: asyncio.subprocess.Process) -> str:
    """The address of the page that the process prints. Raises ``AssertionError`` with its output if it
    ends without one."""
    said = []
    assert process.stderr is not None
    async for line in process.stderr:
        said.append(line.decode(errors="replace").strip())
        if said[-1].startswith("page: "):
            return said[-1].removeprefix("page: ")
    raise AssertionError(f"no page address was printed: {said[-5:]}")
