"""The peer that sends the bundles of a file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.calls.recorded import RecordedStream, send_recorded
from bench.calls.survival import NullRenderer
from bench.demo import serve, shipped_clip
from codec.bundle import Bundle
from codec.container import FileWriter
from codec.errors import ContainerError
from models.runtime.upsampler import Interpolator
from receiver.player import Player
from sender.capture.sources import Tick, file_ticks
from sender.stream import SenderStream, StreamConfig
from signaling.call.call import Call
from signaling.client import SignalingClient
from signaling.config import IceConfig
from signaling.rooms.server import create_app
from tests.waiting import running, until

MOST = 300.0
"""Limit in seconds that is enough on a slow machine."""


def ticks(count: int) -> Iterator[Tick]:
    return (tick for tick, _ in zip(file_ticks(shipped_clip()), range(count), strict=False))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a file with eight ticks of the shipped clip."""
    path = tmp_path_factory.mktemp("recorded") / "sent.fw"
    stream = SenderStream(StreamConfig(keyframe="first"))
    with path.open("wb") as out:
        writer = FileWriter(out)
        for i, tick in enumerate(ticks(8)):
            bundle = stream.bundle(tick)
            assert bundle is not None
            if not i:
                writer.keyframe(stream.keyframes.slot, stream.keyframes.newest)
            stream.pictures.acknowledge(bundle.number)
            writer.bundle(bundle)
    return path


@pytest.mark.e2e
async def test_the_peer_decodes_the_file_each_time_it_is_repeated(file: Path, interpolator: Interpolator) -> None:
    runner, url = await serve(create_app())
    player = Player(NullRenderer, interpolator, [])
    try:
        async with SignalingClient(url, "room") as client:
            receiving = Call(IceConfig(), player=player)
            async with running(receiving.run(client), send_recorded(file, url, "room")) as calls:
                await until(lambda: player.bits.pictures > 20 or any(call.done() for call in calls), MOST)
                receiving.hang_up()
                await asyncio.wait_for(asyncio.gather(*calls), 60)
    finally:
        await player.close()
        await runner.cleanup()
    assert player.bits.pictures > 20
    assert (player.decoder.errors, player.count.broken) == (0, 0)


def test_pictures_and_sound_are_sent_only_once_the_keyframe_is_confirmed(file: Path) -> None:
    stream, (tick,) = RecordedStream(file), ticks(1)
    empty = [stream.bundle(tick) for _ in range(3)]
    assert [(b.number, b.picture, b.sound) for b in empty] == [(i, None, ()) for i in range(3)]
    stream.keyframes.confirm(0, stream.keyframes.gallery.keyframes[0].digest)
    sent = [stream.bundle(tick) for _ in range(16)]
    assert [b.number for b in sent] == list(range(3, 19))
    assert [b.picture for b in sent[:8]] == [b.picture for b in sent[8:]]
    assert all(b.picture and b.sound and Bundle.parse(b.pack()) == b for b in sent)


def test_a_file_without_a_keyframe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.fw"
    with path.open("wb") as out:
        FileWriter(out)
    with pytest.raises(ContainerError, match="not one keyframe"):
        RecordedStream(path)
