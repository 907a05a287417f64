"""A peer that costs next to nothing: it sends the bundles of a ``.fw`` file, and renders nothing.

It stands in for a peer on another machine, where a real peer on this machine would disturb the measurement: looking for faces in
pictures, as ``facewire send`` does, takes a quarter of a core.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from codec.bundle import TICK_MODES, TIME_UNIT, Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.errors import ContainerError
from sender.capture.sources import Tick
from sender.stream import SenderStream
from signaling.call.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig


class RecordedStream(SenderStream):
    """A file's bundles with new numbers, repeated from the first at the end. They are sent once the peer has the keyframe, and
    none may get lost, because each picture refers to the one before."""

    def __init__(self, file: Path) -> None:
        """Raises ``OSError``, ``CodecError``, and ``ContainerError`` for a file that hasn't exactly one keyframe, or has ticks
        that aren't 200 ms long."""
        super().__init__()
        with file.open("rb") as source:
            records = [record for record in read_file(source) if not isinstance(record, End)]
        stored = [record for record in records if isinstance(record, StoredKeyframe)]
        self._bundles = [record for record in records if isinstance(record, Bundle)]
        if len(stored) != 1 or not self._bundles or any(bundle.tick_mode for bundle in self._bundles):
            raise ContainerError(f"{file} has not one keyframe and ticks of {TICK_MODES[0]} ms")
        self.keyframes.settle()
        self.keyframes.set(stored[0].keyframe)
        self._next = 0
        if self.keyframes.slot != stored[0].slot:
            raise ContainerError(f"{file} has its keyframe in slot {stored[0].slot}")

    def candidates(self, tick: Tick) -> None:
        pass

    def choose_early(self) -> None:
        pass

    def reconnected(self) -> None:
        super().reconnected()
        self._next = 0

    def skip(self, tick: Tick) -> None:
        self.at_ms += self.tick_ms

    def bundle(self, tick: Tick, report: object = None) -> Bundle:
        """The next bundle of the file; an empty one until the peer has the keyframe."""
        recorded = Bundle(0, 0)
        if self.keyframes.slot in self.keyframes.gallery.held:
            recorded = self._bundles[self._next]
            self._next = (self._next + 1) % len(self._bundles)
        bundle = replace(recorded, number=self.number, time=(self.at_ms // TIME_UNIT) & 0xFFFF, redundant=())
        self.number = (self.number + 1) & 0xFFFF
        self.at_ms += self.tick_ms
        return bundle


class EmptyTicks:
    """Empty ticks in real time: a :class:`sender.capture.sources.Source`."""

    live = False
    on_frame: Callable[..., None] | None = None

    def __init__(self) -> None:
        self.tick_ms, self._due = TICK_MODES[0], 0.0

    async def glimpse(self) -> Tick | None:
        return None

    async def tick(self) -> Tick | None:
        self._due = (self._due or time.monotonic()) + self.tick_ms / 1000
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        return Tick([], np.zeros(0, np.float32), self._due)

    def close(self) -> None:
        pass


async def send_recorded(file: Path, server: str, room: str) -> None:
    """Send the file until the peer hangs up. Raises ``SignalingError``, and what :class:`RecordedStream` raises."""
    stream = await asyncio.to_thread(RecordedStream, file)
    async with SignalingClient(server, room) as client:
        await Call(IceConfig(), EmptyTicks(), stream).run(client)
