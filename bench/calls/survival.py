"""Do calls survive? ``python -m bench.calls.survival OUT.json [--calls 42]``.

Many calls on a bad network, each with a change of address after 10 s and a blackout of 3 s after
19. Reported is how long sound and picture were interrupted. Nothing is rendered, so that several
calls can run at once.

The rest is real: codec, keyframe, WebRTC through :mod:`bench.calls.relay` (10 % loss, 60 ± 30 ms,
another seed each call), playout.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from bench.calls.relay import Impairment, SignalingProxy, UdpRelay
from bench.demo import serve, shipped_clip
from bench.report_file import report_file
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator
from receiver.player import Player
from receiver.render import Done, RenderCount
from receiver.tick_decoder import FrameInput
from sender.adaptation.ladder import Ladder
from sender.capture.sources import FileSource
from sender.stream import SenderStream, StreamConfig
from signaling.call.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.rooms.server import create_app

NETWORK = Impairment(loss=0.10, delay=0.060, jitter=0.030)
AT_ONCE = 3
CUT = 10.0
"""Seconds after the first sound and picture at which every existing path ends."""
DARK = 19.0
"""Seconds after which nothing passes any more."""
LIGHT = 22.0
"""Seconds after which everything passes again."""
SECONDS = 30.0
LONG = 2.0
"""Neither sound nor picture of a call should be interrupted for longer than this, in seconds."""

KEYS = ("first_sound_s", "sound_gap_s", "first_picture_s", "picture_gap_s")


class NullRenderer:
    """A :class:`receiver.render.Renderer` that returns a black picture for each frame that could be rendered."""

    def __init__(self, done: Done, loop: asyncio.AbstractEventLoop) -> None:
        self.count = RenderCount(seconds=0.03)
        self._done, self._loop, self._slots = done, loop, set[int]()
        self._grey = np.zeros((256, 256, 3), np.uint8)

    def set_keyframe(self, slot: int, rgb: UInt8) -> None:
        self._slots.add(slot)

    def submit(self, frame: FrameInput) -> bool:
        if wanted := frame.slot in self._slots and frame.at % 2 == 0:
            self._loop.call_soon(self._done, frame, self._grey)
        return wanted

    def close(self) -> None:
        """Nothing to close."""


def gaps(times: Sequence[float], begin: float, end: float) -> tuple[float, float]:
    """(seconds from ``begin`` to the first of ``times``, the longest gap after that, ``end`` included)."""
    if not times:
        return end - begin, end - begin
    return times[0] - begin, float(np.diff([*times, max(end, times[-1])]).max())


async def _trouble(relay: UdpRelay, begun: asyncio.Event) -> None:
    """Once sound and picture have arrived: a change of address, then a blackout."""
    await begun.wait()
    await asyncio.sleep(CUT)
    relay.cut()
    await asyncio.sleep(DARK - CUT)
    relay.blocked = True
    await asyncio.sleep(LIGHT - DARK)
    relay.blocked = False


async def call(server: str, interpolator: Interpolator, seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """One call: seconds until the first sound and picture, the longest interruption of each, and at
    which share of the call the last bundle arrived, 0..1. Raises the errors that end a call."""
    relay, room = UdpRelay(NETWORK, seed), f"s{seed}"
    runner, url = await serve(SignalingProxy(server, relay).app)
    heard, shown, came = list[float](), list[float](), list[float]()
    begun = asyncio.Event()  # the first sound and the first picture have arrived

    def note(times: list[float], now: float) -> None:
        times.append(now)
        if heard and shown:
            begun.set()

    sent = list[float]()

    async def receive() -> None:
        async with SignalingClient(url, room) as client:
            player = Player(NullRenderer, interpolator, [])
            player.presenter.on_shown = lambda _number, _rgb, now: note(shown, now)
            player.presenter.on_heard = lambda _sound, now: note(heard, now)
            bundle = player.bundle
            player.bundle = lambda data: came.append(time.monotonic()) or bundle(data)  # type: ignore[func-returns-value, method-assign]
            try:
                await Call(IceConfig(), player=player).run(client)
            finally:
                await player.close()

    async def send() -> None:
        async with SignalingClient(url, room) as client:
            source = FileSource(shipped_clip(), None, True, seconds)
            try:
                one = Call(IceConfig(), source, await asyncio.to_thread(SenderStream, StreamConfig(pauses=True)), ladder=Ladder())
                one.on_bundle = lambda _bundle, _captured, now: sent.append(now)
                await one.run(client)
            finally:
                source.close()

    began = time.monotonic()
    troubling = asyncio.create_task(_trouble(relay, begun))
    try:
        async with asyncio.timeout(seconds + 60):
            await asyncio.gather(receive(), send())
    finally:
        troubling.cancel()
        await runner.cleanup()
        relay.close()
    end = sent[-1] if sent else time.monotonic()
    (first_sound, sound), (first_picture, picture) = (gaps([t for t in times if t < end], began, end) for times in (heard, shown))
    return {
        "first_sound_s": first_sound, "sound_gap_s": sound, "first_picture_s": first_picture, "picture_gap_s": picture,
        "arrived": (came[-1] - began) / (end - began) if came else 0.0,
    }  # fmt: skip


async def measure(calls: int, tell: Callable[[str], object], seconds: float = SECONDS) -> list[dict[str, float]]:
    """Run all calls, :data:`AT_ONCE` at a time."""
    interpolator, found = Interpolator(), list[dict[str, float]]()
    while len(found) < calls:
        server, url = await serve(create_app())  # a new one each time: it limits how often an address may join
        some = range(len(found), min(calls, len(found) + AT_ONCE))
        ended = await asyncio.gather(*(call(url, interpolator, seed, seconds) for seed in some), return_exceptions=True)
        for seed, result in zip(some, ended, strict=True):
            if isinstance(result, dict):
                found.append(result)
            elif isinstance(result, Exception):
                tell(f"call {seed} failed: {result!r}\n")
                found.append(dict.fromkeys(KEYS, float("nan")) | {"arrived": 0.0})
            else:
                raise result
        await server.cleanup()
        tell(f"{len(found)} of {calls} calls\n")
    return found


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.survival", description=__doc__)
    parser.add_argument("out", type=report_file)
    parser.add_argument("--calls", type=int, default=42)
    options = parser.parse_args(arguments)
    found = asyncio.run(measure(options.calls, sys.stderr.write))
    try:
        options.out.write_text(json.dumps([{k: round(v, 3) for k, v in one.items()} for one in found], indent=1) + "\n")
    except OSError as error:
        print(str(error), file=sys.stderr)
        return 1
    write("| | median s | 90 % s | worst s |\n|---|---:|---:|---:|\n")
    for name, key in (
        ("first sound", "first_sound_s"), ("first picture", "first_picture_s"), ("longest without sound", "sound_gap_s"),
        ("longest without a new frame", "picture_gap_s"),
    ):  # fmt: skip
        values = np.array([one[key] for one in found])
        middle, most = np.nanpercentile(values, [50, 90])
        write(f"| {name} | {middle:.2f} | {most:.2f} | {np.nanmax(values):.2f} |\n")
    interrupted = sum(not max(one["sound_gap_s"], one["picture_gap_s"]) <= LONG for one in found)
    write(f"\n{interrupted} of {len(found)} calls were interrupted for more than {LONG:g} s.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
