"""The live receiver, with bundles passed to it directly.

One test uses the real networks in real time. The others test timing: they run on the event loop's virtual clock
(tests/virtual_time.py) and render frames at once, so that counts are exact on any machine.
"""

import asyncio
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.bundle import Bundle, Face, Report
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.player import Player
from receiver.render import RenderCount, RenderThreads
from receiver.tick_decoder import FrameInput
from sender.capture.sources import FileTicks
from sender.stream import SenderStream, StreamConfig
from tests.waiting import until


class Collect:
    """An output that keeps the frames and sounds that it gets."""

    smooth = False

    def __init__(self) -> None:
        self.frames: list[tuple[int, np.ndarray]] = []
        self.sounds: list[np.ndarray] = []
        self.times: list[int] = []
        self.closed = False

    def frame(self, number: int, rgb: np.ndarray) -> None:
        self.frames.append((number, rgb))

    def sound(self, at_ms: int, exact: np.ndarray, stretched: np.ndarray) -> None:
        self.sounds.append(exact)
        self.times.append(at_ms)

    def close(self) -> None:
        self.closed = True


async def feed(player: Player, bundles: list[Bundle], skip: frozenset[int] = frozenset()) -> None:
    start = asyncio.get_running_loop().time()
    for i, bundle in enumerate(bundles):
        await asyncio.sleep(max(0.0, start + i * 0.2 - asyncio.get_running_loop().time()))
        if i not in skip:
            player.bundle(bundle.pack())


async def listen(player: Player, seconds: float = 0.8) -> None:
    """Wait until the last received bundle is played."""
    await asyncio.sleep(seconds)


class Inline(Executor):
    """An executor that works at once, for a clock that doesn't wait for threads."""

    def submit(self, work, /, *arguments, **named):
        done: Future = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:
            done.set_exception(error)
        return done


@pytest.fixture
async def play(monkeypatch, interpolator: Interpolator):
    """A function that makes players whose clock is the event loop's."""
    for module in ("player", "presenter"):
        monkeypatch.setattr(f"receiver.{module}.time", SimpleNamespace(monotonic=asyncio.get_running_loop().time))

    def make(*outputs: Collect, fps: int = 25, render: type["Instant"] | None = None) -> Player:
        player = Player(render or Instant, interpolator, list(outputs), fps=fps)
        player._pool = player.presenter._pool = Inline()
        return player

    return make


async def test_plays_what_arrives_in_order(upsamplers: list[Upsampler], interpolator: Interpolator, recorded) -> None:
    keyframe, bundles, _ = recorded
    output = Collect()
    player = Player(partial(RenderThreads, upsamplers, 25), interpolator, [output])
    player.keyframe(0, keyframe)
    await feed(player, bundles[:12])
    report = player.report()
    await until(lambda: output.frames and output.frames[-1][0] > 50 and len(output.sounds) >= 12)
    await player.close()
    numbers = [n for n, _ in output.frames]
    assert numbers == sorted(set(numbers))
    assert report == Report(11, 0)
    assert output.closed
    assert all(rgb.shape == (256, 256, 3) and rgb.std() > 20 for _, rgb in output.frames)


@pytest.mark.virtual_time
async def test_loss_is_concealed_and_reported(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    output = Collect()
    player = play(output)
    player.keyframe(0, keyframe)
    await feed(player, bundles[:12], frozenset({4, 7}))
    await listen(player)
    await player.close()
    assert player.count.concealed >= 2
    assert 0.1 < player.loss < 0.25
    assert output.frames[-1][0] > 50


class Instant:
    """A renderer that shows the middle picture at once."""

    def __init__(self, done, loop) -> None:
        self._done, self.count = done, RenderCount()

    def set_keyframe(self, slot: int, rgb: np.ndarray) -> None:
        pass

    def submit(self, frame: FrameInput) -> bool:
        small = (frame.pictures[2].transpose(1, 2, 0) * 255).astype(np.uint8)
        self._done(frame, small.repeat(32, 0).repeat(32, 1))
        return True

    def close(self) -> None:
        pass


@pytest.mark.virtual_time
async def test_smooth_outputs_get_fifty_frames_a_second(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    usual, smooth = Collect(), Collect()
    smooth.smooth = True
    player = play(usual, smooth, fps=50)
    player.keyframe(0, keyframe)
    await feed(player, bundles[:12])
    await listen(player)
    fps, small = player.presenter.fps, player.presenter.small
    await player.close()
    numbers = [n for n, _ in usual.frames]
    assert numbers == sorted(set(numbers))
    assert len(smooth.frames) > 1.8 * len(usual.frames) > 60
    assert [n for n, _ in smooth.frames] == sorted(n for n, _ in smooth.frames)
    assert fps == 50
    assert (small == smooth.frames[-1][1][::32, ::32]).all()


@pytest.mark.virtual_time
async def test_invalid_data_is_counted_and_ignored(play) -> None:
    player = play()
    for data in (b"", b"\xff" * 40, bytes(20_000), b"\x01\0\0\0\0\xff"):
        assert player.bundle(data) is None
    assert player.count.broken == 4
    assert player.report() is None
    await player.close()


@pytest.mark.virtual_time
async def test_a_sender_that_restarts_is_followed(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    output = Collect()
    player = play(output)
    player.keyframe(0, keyframe)
    far = [Bundle((b.number + 5000) & 0xFFFF, b.time + 20_000, 0, b.picture, b.sound) for b in bundles[:9]]
    await feed(player, bundles[:3])
    await listen(player)
    await feed(player, far)
    await listen(player)
    await player.close()
    assert player.count.ticks < 40  # the 2000 ticks between are not concealed
    assert sum(n >= 10_000 for n, _ in output.frames) > 4


@pytest.mark.virtual_time
async def test_a_sender_that_paused_is_followed(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    output = Collect()
    player = play(output)
    player.keyframe(0, keyframe)
    await feed(player, bundles[:3])
    await listen(player)
    await asyncio.sleep(2.5)  # the sender's clock stopped
    shown = len(output.frames)
    await feed(player, bundles[3:])
    await listen(player)
    await player.close()
    assert player.count.late < 12  # all seventeen, if the clock had not followed
    assert len({n for n, _ in output.frames[shown:] if 25 <= n < 100}) > 5


@pytest.mark.virtual_time
async def test_a_camera_that_is_off_shows_nothing(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    output = Collect()
    player = play(output)
    player.keyframe(0, keyframe)
    off = [Bundle(b.number, b.time, 0, None, b.sound, face=Face.CAMERA_OFF) for b in bundles[14:]]
    await feed(player, bundles[:14] + off)
    await until(lambda: any(rgb.std() == 0 for _, rgb in output.frames))
    await player.close()
    assert output.frames[-1][1].std() == 0
    grey = [rgb.std() == 0 for _, rgb in output.frames]
    assert any(rgb.std() > 10 for _, rgb in output.frames)
    assert all(grey[grey.index(True) :])  # no late rendered frame follows


@pytest.mark.virtual_time
async def test_pauses_are_not_losses(play, recorded) -> None:
    """Every other tick is left out: frames continue, no loss is reported, and nothing is concealed except
    at start and end."""
    keyframe, bundles, _ = recorded
    concealed = {}
    for pausing in (True, False):
        output = Collect()
        player = play(output)
        player.keyframe(0, keyframe)
        sent = [replace(b, number=i // 2, pausing=pausing, sound=()) for i, b in enumerate(bundles)]
        await feed(player, sent, frozenset(range(1, 20, 2)))
        await until(lambda player=player: player.count.ticks >= 19)
        await player.close()
        concealed[pausing] = player.count.concealed
        assert player.loss == 0
        assert output.frames[-1][0] > 85
    assert concealed[False] >= 9
    assert concealed[True] <= concealed[False] - 6


@pytest.mark.virtual_time
async def test_a_camera_that_is_off_is_noticed_without_sound(play) -> None:
    player = play()
    player.bundle(Bundle(0, 0, face=Face.CAMERA_OFF).pack())
    assert player.face == Face.CAMERA_OFF
    assert player.report() is None
    await player.close()


@pytest.mark.virtual_time
async def test_the_tick_mode_changes_without_a_break(play) -> None:
    """200 ms, then 60, then 200 again: sound and frames continue, and a bundle lost at a change does not
    affect the next ones."""
    stream, source = SenderStream(StreamConfig(keyframe="first", crop="none")), FileTicks(shipped_clip())
    sent = []
    for tick_mode in [0] * 6 + [2] * 20 + [0] * 6:
        stream.set_tick_mode(tick_mode, 6_000)
        sent.append((stream.at_ms, stream.bundle(source.next(stream.tick_ms))))
    output = Collect()
    player = play(output)
    player.keyframe(0, stream.keyframes.newest)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for at, bundle in sent:
        await asyncio.sleep(max(0.0, start + (at + bundle.tick_ms) / 1000 - loop.time()))
        if bundle.number != 6:
            player.bundle(bundle.pack())
    await until(lambda: output.times and output.times[-1] >= 3400)
    await player.close()
    assert output.times == sorted(set(output.times))
    played = dict(zip(output.times, (len(s) / 16 for s in output.sounds), strict=True))
    # Sound is played without gaps and overlaps.
    assert all(a + played[a] == b for a, b in pairwise([t for t in output.times if t <= 3400]))
    assert {played[t] for t in output.times if t < 1200} == {200.0}
    # The lost tick is replaced by three of the new length. The change to longer ticks once exceeds the delay of shorter ones.
    assert player.count.late < 8
    assert max(n for n, _ in output.frames) > 75


class Slow(Instant):
    """A renderer that renders every fifth frame at once and declines the others."""

    def submit(self, frame: FrameInput) -> bool:
        return frame.number % 5 == 0 and super().submit(frame)


async def shown_by(play, recorded, render: type[Instant], bundles: list[Bundle], seconds: float = 0.8):
    """(numbers of the frames shown, (fps, drawn_fps, lateness) of the player after playing the bundles)"""
    output = Collect()
    player = play(output, render=render)
    player.keyframe(0, recorded[0])
    await feed(player, bundles)
    await listen(player, seconds)
    found = player.presenter.fps, player.presenter.drawn_fps, player.presenter.late
    await player.close()
    return [n for n, _ in output.frames], found


@pytest.mark.virtual_time
async def test_frames_between_those_that_a_slow_machine_renders_are_warped(play, recorded) -> None:
    numbers, (fps, drawn, _) = await shown_by(play, recorded, Slow, recorded[1][:12], 0.4)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > 45
    assert (fps, drawn) == (25, 5)


@pytest.mark.virtual_time
async def test_without_the_faces_points_no_frame_is_warped(play, recorded) -> None:
    numbers, _ = await shown_by(play, recorded, Slow, [replace(bundle, shape=None) for bundle in recorded[1][:12]])
    assert all(n % 5 == 0 for n in numbers)
    assert len(numbers) > 8


class Late(Instant):
    """A renderer that renders every frame 100 ms after the request."""

    def submit(self, frame: FrameInput) -> bool:
        asyncio.get_running_loop().call_later(0.1, super().submit, frame)
        return True


@pytest.mark.virtual_time
async def test_frames_rendered_late_are_warped_to_later_ones_and_shown_in_order(play, recorded) -> None:
    numbers, (*_, late) = await shown_by(play, recorded, Late, recorded[1][:12])
    numbers = numbers[3:]  # before the first rendered frame, nothing could be warped
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert late < 0.03, "each must be shown at most 20 ms late"


@pytest.mark.virtual_time
async def test_frames_due_after_the_end_are_not_warped(play, recorded) -> None:
    keyframe, bundles, _ = recorded
    player = play(Collect(), render=Slow)
    presenter, missing = player.presenter, []
    player.keyframe(0, keyframe)
    fill = presenter._fill
    presenter._fill = lambda *told: (missing.append(told), fill(*told))
    await feed(player, bundles[:6])
    await listen(player, 0.1)
    await player.close()
    assert len(missing) > 5
    presenter._pool = None
    presenter._visible_from = 0  # as if the frame had not been shown yet
    presenter._fill(*missing[-1])
