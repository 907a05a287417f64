"""Peers as real processes."""

import asyncio
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


async def facewire(*arguments: str) -> asyncio.subprocess.Process:
    """Start ``facewire ARGUMENTS``."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "facewire", *arguments, cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def finish(process: asyncio.subprocess.Process, seconds: float = 30.0) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that ends by itself; it is ended when it doesn't."""
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"did not end within {seconds} s: {err.decode()[-500:]}") from None
    return process.returncode or 0, out.decode(), err.decode()
