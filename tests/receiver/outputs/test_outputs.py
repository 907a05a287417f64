"""Outputs: files that keep an older file until they are complete, play buffers for devices, tracks for the page."""

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest

from receiver.outputs.mp4 import FileOutput
from receiver.outputs.page_audio import WAITING, AudioBroadcast
from receiver.outputs.page_tracks import PageOutput
from receiver.outputs.speakers import PlayBuffer
from receiver.outputs.video_file import OutputError, VideoFile


def picture(value: int) -> np.ndarray:
    return np.full((256, 256, 3), value, np.uint8)


def lights(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(f.to_ndarray(format="rgb24").mean()) for f in container.decode(video=0)]


def test_skipped_frames_are_filled_and_late_ones_left_out(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "o.mp4")
    for number, value in ((0, 50), (3, 200), (2, 10), (4, 200)):
        video.frame(number, picture(value))
    video.hold(7)
    video.close()
    video.close()
    assert lights(tmp_path / "o.mp4") == pytest.approx([50, 50, 50, 200, 200, 200, 200], abs=4)


def test_the_file_starts_at_the_tick_of_its_first_picture(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "o.mp4", lag=0)
    tone = np.sin(np.arange(3200) / 5).astype(np.float32) * 0.5
    for tick in range(8):
        output.sound(tick * 200, tone * (tick >= 5), tone)
        for number in range(tick * 5, tick * 5 + 5):
            if number >= 27:
                output.frame(number, picture(100))
    output.close()
    assert output.first == 25
    assert len(lights(tmp_path / "o.mp4")) == 15
    with av.open(str(tmp_path / "o.mp4")) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert np.abs(sound[1000:2000]).max() > 0.3  # the file starts at tick 5
    assert abs(len(sound) - 3 * 3200) < 2100  # whole AAC frames


def test_the_file_continues_when_the_stream_restarts(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "o.mp4", lag=0)
    quiet = np.zeros(3200, np.float32)
    for tick, value in ((10, 50), (11, 50), (5000, 120), (5001, 120), (0, 200), (1, 200)):
        output.sound(tick * 200, quiet, quiet)
        for number in range(tick * 5, tick * 5 + 5):
            output.frame(number, picture(value))
    output.close()
    assert lights(tmp_path / "o.mp4") == pytest.approx([50] * 10 + [120] * 10 + [200] * 10, abs=4)


def test_an_older_file_is_kept_when_nothing_is_received(tmp_path: Path) -> None:
    old = tmp_path / "o.mp4"
    old.write_bytes(b"precious")
    FileOutput(old).close()
    assert old.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


def test_unwritable_paths_are_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        FileOutput(tmp_path / "none" / "o.mp4")


def test_play_buffer_counts_gaps_and_cuts() -> None:
    buffer = PlayBuffer()
    buffer.write(np.ones(100, np.float32))
    assert buffer.read(150).sum() == 100
    assert buffer.gaps == 50
    for _ in range(10):  # without a reader, sound of earlier ticks doesn't accumulate
        buffer.write(np.ones(3200, np.float32))
    assert buffer.cut == 9 * 3200 - buffer.slack
    assert buffer.read(5000).sum() == 3200 + buffer.slack


def test_the_delay_that_a_gap_added_is_removed() -> None:
    """A reader that finds nothing for 40 ms gets silence, and all later sound would stay in the buffer 40
    ms too long."""
    buffer, heard = PlayBuffer(0.060), list[np.ndarray]()
    tone = np.sin(np.arange(3200 * 60) * 2 * np.pi * 200 / 16_000).astype(np.float32)
    buffer.read(640)
    buffer.write(tone[:3200])
    assert buffer.gaps == 640
    lag = []
    for tick in range(1, 60):
        heard.append(buffer.read(2560 if tick == 1 else 3200))
        lag.append(len(buffer._queue))
        buffer.write(tone[3200 * tick : 3200 * (tick + 1)])
    assert lag[:20] == [640] * 20
    assert max(lag[35:]) <= buffer.SPARE
    assert buffer.gaps == 640
    assert buffer.cut == 640 - buffer.SPARE
    assert np.abs(np.diff(np.concatenate(heard))).max() < 3 * np.abs(np.diff(tone)).max()


async def test_the_page_track_carries_pictures() -> None:
    output = PageOutput()
    output.frame(0, picture(77))
    frame = await output.video.recv()
    assert frame.to_ndarray(format="rgb24").mean() == pytest.approx(77, abs=1)
    again = await output.video.recv()  # without a new picture, the same one is sent again
    assert again.pts > frame.pts
    output.close()


async def test_the_voice_is_sent_to_all_listeners() -> None:
    voice, heard = AudioBroadcast(), dict[str, list[float]]()

    async def listen(name: str) -> None:
        heard[name] = [float(samples[0]) async for samples in voice.listen()]

    voice.play(np.full(3200, -1, np.float32))  # no listener yet
    first = asyncio.create_task(listen("first"))
    await asyncio.sleep(0)
    voice.play(np.full(3200, 0.0, np.float32))
    await asyncio.sleep(0)
    late = asyncio.create_task(listen("late"))
    await asyncio.sleep(0)
    for number in range(1, WAITING + 4):  # faster than they are read, so that the oldest are lost
        voice.play(np.full(3200, number, np.float32))
    voice.stop()
    await asyncio.gather(first, late)
    assert heard == {"first": [0.0, *range(5, WAITING + 4)], "late": [*range(5, WAITING + 4)]}
    assert not voice._queues


def test_an_unfinished_live_file_can_be_played(tmp_path: Path) -> None:
    video, cut = VideoFile(tmp_path / "o.mp4", live=True), tmp_path / "cut.mp4"
    for number in range(300):
        video.frame(number, picture(number % 200))
        video.sound(np.zeros(640, np.float32))
    cut.write_bytes((tmp_path / "o.mp4").read_bytes())
    video.close()
    assert len(lights(tmp_path / "o.mp4")) == 300
    assert 100 < len(lights(cut)) < 300


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_ends_the_video_but_not_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "o.mp4.part").symlink_to("/dev/full")
    output, noise = FileOutput(tmp_path / "o.mp4"), np.random.default_rng(0)
    for tick in range(40):
        output.sound(tick * 200, np.zeros(3200, np.float32), np.zeros(3200, np.float32))
        for number in range(tick * 5, tick * 5 + 5):
            output.frame(number, noise.integers(0, 256, (256, 256, 3), np.uint8))
    with pytest.raises(OutputError, match=r"o\.mp4 is not whole: .*o\.mp4\.part"):
        output.close()
    assert not (tmp_path / "o.mp4").exists()
    assert caplog.text.count("the call goes on") == 1
