"""A separate PulseAudio server with a null sink whose monitor is the microphone: sound without a sound card.

:meth:`SoundServer.speak` adds a microphone that delivers a file's sound, not what is played.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

NEEDED = ("pulseaudio", "pactl", "parec", "pacat", "paplay")
ATTEMPTS = 300
"""How often PulseAudio's state is checked, ten times a second, until it is the requested one."""
VOICE = "voice"
"""The microphone that :meth:`SoundServer.speak` makes."""


class SoundServerError(RuntimeError):
    """PulseAudio is missing or does not answer; the message is one line."""


class SoundServer:
    """An async context manager. Programs that are started with :attr:`environment` play and record there."""

    environment: dict[str, str]

    async def __aenter__(self) -> "SoundServer":
        if not all(map(shutil.which, NEEDED)):
            raise SoundServerError("needs pulseaudio (Debian: pulseaudio)")
        self._stack = contextlib.AsyncExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="facewire-"))
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": folder, "PULSE_RUNTIME_PATH": f"{folder}/pulse", "HOME": folder}
        try:
            await self.start(
                "pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--load=module-native-protocol-unix",
                "--load=module-null-sink sink_name=null", "--load=module-remap-source master=null.monitor source_name=microphone",
            )  # fmt: skip
            await self._keep_running("null", "microphone")
            return self
        except BaseException:
            await self._stack.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def speak(self, sound: Path) -> None:
        """Play a WAV file over and over into a microphone of its own, :data:`VOICE`. Raises :class:`SoundServerError`."""
        sink = ("module-null-sink", f"sink_name={VOICE}")
        source = ("module-remap-source", f"master={VOICE}.monitor", f"source_name={VOICE}_heard",
                  f"source_properties=device.description={VOICE}")  # fmt: skip
        for module in (sink, source):
            if await (await self.start("pactl", "load-module", *module)).wait():
                raise SoundServerError(f"PulseAudio did not load {module[0]}")
        await self._keep_running(VOICE, f"{VOICE}_heard")
        await self.start("sh", "-c", f'while paplay --device={VOICE} "$0"; do :; done', str(sound))

    async def _keep_running(self, sink: str, source: str) -> None:
        """Play silence into the sink and record from the source. When a device starts or stops running, all programs are
        notified, and a Firefox that is starting may lock up: PulseAudio's thread waits for a lock whose holder waits for
        PulseAudio."""
        await self._until({sink, source}, "did not answer")
        await self.start("sh", "-c", f"exec pacat --playback --device={sink} < /dev/zero")
        await self.start("sh", "-c", f"exec parec --device={source} > /dev/null")
        await self._until({sink, source}, "did not run its devices", "RUNNING")

    async def _until(self, devices: set[str], failure: str, state: str = "") -> None:
        """Wait until PulseAudio lists all ``devices``, in ``state`` if one is given. Raises :class:`SoundServerError`."""
        for _ in range(ATTEMPTS):
            asked = await self.start("pactl", "list", "short")
            assert asked.stdout is not None
            rows = [line.split("\t") for line in (await asked.stdout.read()).decode().splitlines()]
            if devices <= {row[1] for row in rows if len(row) > 1 and row[-1].endswith(state)}:
                return
            await asyncio.sleep(0.1)
        raise SoundServerError(f"PulseAudio {failure} within 30 s")

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """Start a program that uses this server; it ends with the server."""
        process = await asyncio.create_subprocess_exec(
            *command, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        self._stack.push_async_callback(_end, process)
        return process


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.wait()
