"""Files resampled to 25 FPS, ticks, and live inputs."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import FileSound, SourceError, file_frames, file_sound
from codec.media.timing import RATE, grid
from sender.capture.inputs import Freshest, SampleBuffer
from sender.capture.sources import GLIMPSES, FileSource, LiveSource, file_ticks


def test_grid_covers_every_frame_once() -> None:
    for tick_ms in (200, 100, 60):
        numbers = [n for t in range(50) for n in grid(t * tick_ms, tick_ms)]
        assert numbers == list(range(len(numbers)))


def test_a_25_fps_file_gives_each_frame_once(clip: Path) -> None:
    assert sum(1 for _ in file_frames(clip)) == 500


def test_a_30_fps_file_is_thinned_to_25(faceless: Path) -> None:
    assert sum(1 for _ in file_frames(faceless)) == 25


def test_file_ticks_hold_five_frames_and_200_ms(clip: Path) -> None:
    ticks = list(file_ticks(clip))
    assert len(ticks) == 100
    assert all(len(t.frames) == 5 and len(t.sound) == 3200 for t in ticks)
    assert max(float(np.abs(t.sound).max()) for t in ticks) > 0.05


def test_a_file_without_sound_is_silent(faceless: Path) -> None:
    assert not list(file_sound(faceless))
    assert all(not t.sound.any() for t in file_ticks(faceless))


def test_errors_name_the_unusable_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video" * 50)
    for path in (bad, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(SourceError, match=path.name):
            next(file_frames(path))


def test_sound_file_ends_in_silence(clip: Path) -> None:
    sound = FileSound(clip)
    for _ in range(25):
        assert len(sound.read(16_000)) == 16_000
    assert not sound.read(16_000).any()


async def test_a_file_is_played_in_real_time(clip: Path) -> None:
    source = FileSource(clip, seconds=1.0)
    began, count = time.monotonic(), 0
    while await source.tick():
        count += 1
    source.close()
    assert count == 5
    assert time.monotonic() - began >= 0.99  # a busy machine may take longer, but never less


async def test_a_looped_file_continues_from_its_start(faceless: Path) -> None:
    source = FileSource(faceless, loop=True, seconds=1.6)
    ticks = [t for t in [await source.tick() for _ in range(8)] if t]
    assert len(ticks) == 8
    assert await source.tick() is None


class StillCamera:
    def __init__(self) -> None:
        self.closed = False

    def latest(self) -> np.ndarray:
        return np.full((48, 64, 3), 90, np.uint8)

    def close(self) -> None:
        self.closed = True


async def test_live_source_without_a_microphone() -> None:
    camera = StillCamera()
    source = LiveSource(camera, None, seconds=0.4)
    ticks = [await source.tick() for _ in range(3)]
    assert [t is not None for t in ticks] == [True, True, False]
    assert len(ticks[0].frames) == 5
    assert len(ticks[0].sound) == 3200
    source.close()
    assert camera.closed


def test_sound_that_accumulated_before_the_call_adds_no_delay() -> None:
    buffer = SampleBuffer()
    buffer.write(np.arange(buffer.LIMIT + 100, dtype=np.float32))
    assert buffer.dropped == 100
    newest = buffer.LIMIT + 99
    assert newest - buffer.read(3200)[-1] <= buffer.FIRST
    buffer.read(buffer.FIRST)
    assert not buffer.read(10).any()
    assert buffer.missing == 10


def lags(piece_ms: int, reads: int, late_ms: int = 0) -> tuple[SampleBuffer, list[float]]:
    """(buffer, age in milliseconds of the newest sample of each read of 200 ms) for a device that
    delivers pieces of ``piece_ms``, every third of them ``late_ms`` late. The device has run for 2 s
    before the first read. The value of each sample is its number."""
    piece, buffer, lag, made, writes = 16 * piece_ms, SampleBuffer(), list[float](), 0, list[tuple[float, int]]()
    for number in range((2000 + 200 * reads) // piece_ms):
        writes.append(((number + 1) * piece_ms + (late_ms if number % 3 == 0 else 0), number))
    writes = sorted((max(w[0] for w in writes[: i + 1]), w[1]) for i, w in enumerate(writes))
    for read in range(reads):
        now = 2000 + 200 * read
        while made < len(writes) and writes[made][0] <= now:
            first = writes[made][1] * piece
            buffer.write(np.arange(first, first + piece, dtype=np.float32))
            made += 1
        sound = buffer.read(3200)
        lag.append(now - (sound[-1] + 1) / 16)
    return buffer, lag


def test_sound_is_at_most_41_ms_old() -> None:
    buffer, lag = lags(20, 60)
    assert lag[0] <= 40
    assert max(lag) <= 41
    assert buffer.missing == 0


@pytest.mark.parametrize(("piece_ms", "late_ms"), [(100, 0), (20, 60), (33, 15)])
def test_the_buffer_adapts_to_uneven_delivery_and_waits_no_longer(piece_ms: int, late_ms: int) -> None:
    buffer, lag = lags(piece_ms, 80, late_ms)
    early = buffer.missing
    assert early <= 16 * (piece_ms + late_ms)
    assert max(lag[60:]) <= piece_ms + late_ms + 20
    again, _ = lags(piece_ms, 160, late_ms)
    assert again.missing == early


def test_removing_sound_leaves_no_click() -> None:
    buffer, out = SampleBuffer(), list[np.ndarray]()
    tone = np.sin(np.arange(16 * 6000) * 2 * np.pi * 200 / RATE).astype(np.float32)
    buffer.write(tone[:1600])
    for read in range(28):
        buffer.write(tone[1600 + 3200 * read : 1600 + 3200 * (read + 1)])
        out.append(buffer.read(3200))
    assert buffer.dropped > 1600 - buffer.FIRST - 1
    steps = np.abs(np.diff(np.concatenate(out)))
    assert steps.max() < 3 * np.abs(np.diff(tone)).max()


def test_a_stale_camera_picture_is_none() -> None:
    newest = Freshest()
    assert newest.get() is None
    newest.put(np.zeros((2, 2, 3), np.uint8))
    assert newest.get() is not None
    newest.STALE = 0.0
    assert newest.get() is None


async def test_a_file_can_be_previewed_before_it_starts() -> None:
    source = FileSource(shipped_clip(), seconds=0.4)
    seen = []
    while (tick := await source.glimpse()) is not None:
        seen.append(tick)
    assert await source.glimpse() is None
    first = await source.tick()
    source.close()
    assert len(seen) == GLIMPSES
    assert (seen[0].frames[0] == first.frames[0]).all()


async def test_a_camera_can_be_previewed_before_the_call() -> None:
    source = LiveSource(StillCamera(), None)
    assert (await source.glimpse()).frames[0] is not None
    assert LiveSource.live
    assert not FileSource.live
    assert await LiveSource(None, None).glimpse() is None


@pytest.mark.parametrize("live", [True, False])
async def test_the_frame_callback_is_called_for_every_picture_of_a_tick(live: bool) -> None:
    source = LiveSource(StillCamera(), None) if live else FileSource(shipped_clip())
    told: list[np.ndarray] = []
    source.on_frame = told.append
    for number in (1, 2):
        tick = await source.tick()
        assert len(told) == 5 * number
        assert all(a is b for a, b in zip(told[-5:], tick.frames, strict=True))
    source.close()


def test_a_single_picture_is_shown_for_the_length_of_the_sound(clip: Path, tmp_path: Path) -> None:
    picture = tmp_path / "cover.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), 90, np.uint8))
    ticks = list(file_ticks(picture, clip))
    assert abs(len(ticks) - len(list(file_ticks(clip)))) <= 1
    assert all(len(tick.frames) == 5 for tick in ticks)
    assert len(list(file_ticks(picture))) == 1  # without sound it has only one frame
