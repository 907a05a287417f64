"""Recordings contain ticks that were never played, and a second person; closed outputs get nothing more."""

import asyncio
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.bundle import Bundle, Report
from codec.container import StoredKeyframe, read_file
from receiver.outputs.recorder import Recorder
from receiver.player import Player
from receiver.tick_decoder import TickDecoder, TickOutput
from receiver.timeline import Timeline
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from tests.receiver.test_player import Collect, feed, listen
from tests.receiver.test_player import play as play  # a fixture
from tests.waiting import until


def acknowledged(count: int) -> tuple[SenderStream, list[Bundle]]:
    """(stream, bundles) in which each picture is predicted from the last but one."""
    stream, bundles = SenderStream(StreamConfig(keyframe="first")), []
    for number, tick in enumerate(islice(file_ticks(shipped_clip()), count)):
        if number >= 2:
            stream.acknowledge(Report(number - 2))
        bundles.append(stream.bundle(tick))
    return stream, bundles


def played(path: Path, interpolator) -> tuple[int, list[int]]:
    """(pictures that can't be decoded, numbers of the bundles that become ticks)"""
    decoder, timeline, shown = TickDecoder(interpolator), Timeline(), []
    with path.open("rb") as file:
        for record in read_file(file):
            if isinstance(record, StoredKeyframe):
                decoder.set_keyframe(record.slot, record.keyframe.thumbnail)
            elif isinstance(record, Bundle):
                decoder.arrived(record)
                shown += [tick.bundle.number for tick in timeline.ticks(record) if tick.bundle]
    return decoder.errors, shown


def recording(player: Player, path: Path) -> Player:
    player.recorder = Recorder(path)
    return player


@pytest.mark.virtual_time
async def test_acknowledged_pictures_are_recorded_even_if_never_played(play, interpolator, tmp_path: Path) -> None:
    stream, bundles = acknowledged(20)
    player = recording(play(Collect()), tmp_path / "a.fw")
    player.keyframe(0, stream.keyframes.newest)
    jumped = [replace(b, time=b.time + 150) if b.number >= 8 else b for b in bundles]
    await feed(player, jumped)  # the sender's clock jumps 3 s ahead
    await player.close()  # while bundles are waiting
    errors, shown = played(tmp_path / "a.fw", interpolator)
    assert errors == 0
    assert shown == list(range(20))


@pytest.mark.virtual_time
async def test_another_person_is_recorded_from_the_first_second(play, interpolator, tmp_path: Path) -> None:
    stream, bundles = acknowledged(20)
    player = recording(play(Collect()), tmp_path / "a.fw")
    player.keyframe(0, stream.keyframes.newest)
    await feed(player, bundles)
    await listen(player)
    player.forget()
    player.keyframe(0, stream.keyframes.newest)
    await feed(player, bundles)
    await listen(player)
    await player.close()
    errors, shown = played(tmp_path / "a.fw", interpolator)
    assert errors == 0
    assert shown == [*range(20), *range(20)]


async def test_a_closed_output_gets_nothing_more(play, recorded) -> None:
    late: list[str] = []

    class Closed(Collect):
        def frame(self, number, rgb) -> None:
            late.extend(["frame"] * self.closed)
            super().frame(number, rgb)

        def sound(self, at_ms, exact, stretched) -> None:
            late.extend(["sound"] * self.closed)
            super().sound(at_ms, exact, stretched)

    keyframe, bundles, _ = recorded
    output = Closed()
    player = play(output)
    player.keyframe(0, keyframe)
    await feed(player, bundles[:2])
    await until(lambda: output.frames)
    now, frames = asyncio.get_running_loop().time(), TickOutput([], np.zeros(3200, np.float32), False, hidden=True)
    player.presenter.present(10_000, 200, now + 1.0, frames.sound, frames)  # a tick that is due when the call has ended
    await player.close()
    await listen(player, 1.2)
    assert not late
