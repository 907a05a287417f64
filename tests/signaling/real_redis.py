"""A real Redis for tests."""

import asyncio
import contextlib
import os
import shutil
import socket

from tests.waiting import PATIENCE

REDIS = shutil.which("redis-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class RealRedis:
    """A separate Redis server on a free port that stores nothing on disk. It can be stopped and started again."""

    def __init__(self, folder):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url, self._folder, self._process = f"redis://127.0.0.1:{self.port}/0", folder, None

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            REDIS, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def stop(self):
        self._process.terminate()
        await self._process.wait()
