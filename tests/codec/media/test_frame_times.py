"""Files with missing or unordered time stamps, and sound that changes its format or starts late."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.reference_codecs.ffmpeg import find_ffmpeg
from codec.media.files import file_frames, file_sound
from codec.media.timing import RATE
from models.prepare.video import grid_frames, sound_of

FRAMES = 75


def ffmpeg(*arguments: object) -> None:
    subprocess.run([find_ffmpeg(), "-y", "-v", "error", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a video of 75 pictures, each of a different grey."""
    path = tmp_path_factory.mktemp("counted") / "counted.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "3", "qp": "4"})
        stream.width = stream.height = 64
        for i in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 + 3 * i, np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def greys(path: Path) -> list[int]:
    return [round((float(f.mean()) - 20) / 3) for f in file_frames(path)]


@pytest.mark.parametrize("kind", ["h264", "hevc"])
def test_a_raw_stream_gives_the_same_pictures_as_its_file(counted: Path, tmp_path: Path, kind: str) -> None:
    raw = tmp_path / f"raw.{kind}"
    ffmpeg("-i", counted, *(["-c", "copy"] if kind == "h264" else ["-c:v", "libx265", "-x265-params", "log-level=error"]), raw)
    assert greys(raw) == pytest.approx(range(FRAMES), abs=1)
    assert len(list(grid_frames(raw))) == FRAMES


def test_pictures_of_an_avi_come_in_order_and_once_each(counted: Path, tmp_path: Path) -> None:
    """AVI stores when a frame is decoded, not when it is shown."""
    ffmpeg("-i", counted, "-c", "copy", tmp_path / "a.avi")
    found = greys(tmp_path / "a.avi")
    assert found == sorted(found)
    assert len(set(found)) >= FRAMES - 3


def flashed(path: Path, at: float, seconds: float, gop: int) -> Path:
    """Write a transport stream that is dark and silent except for a flash and a beep of 0.2 s at second ``at``."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"g": str(gop), "sc_threshold": "0", "bf": "0"})
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        video.width = video.height = 64
        for i in range(round(seconds * 25)):
            now = at - 1e-9 <= i / 25 < at + 0.2 - 1e-9
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 255 * now, np.uint8), format="rgb24")))
            tone = now * 0.5 * np.sin(np.arange(RATE // 25) * 0.3, dtype=np.float32)
            piece = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.time_base, piece.pts = RATE, Fraction(1, RATE), i * RATE // 25
            out.mux(audio.encode(piece))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def seen_and_heard(frames: list[bool], sound: np.ndarray) -> tuple[float, float]:
    return frames.index(True) / 25, int(np.argmax(np.abs(sound) > 0.1)) / RATE


def test_sound_and_pictures_of_a_file_cut_between_keyframes_are_in_sync(tmp_path: Path) -> None:
    whole = flashed(tmp_path / "whole.ts", at=6, seconds=8, gop=50)
    data = whole.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[len(data) // 188 // 5 * 188 :])
    seen, heard = seen_and_heard([bool(f.mean() > 128) for f in file_frames(cut)], np.concatenate(list(file_sound(cut))))
    assert seen < 5.9  # a part of the beginning is missing
    assert heard == pytest.approx(seen, abs=0.1)


def test_training_and_calls_place_joined_files_at_the_same_times(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(
        flashed(tmp_path / "a.ts", at=9, seconds=2, gop=25).read_bytes()
        + flashed(tmp_path / "b.ts", at=3, seconds=4, gop=25).read_bytes()
    )
    frames = [upright.array(frame).mean() > 128 for frame, upright in grid_frames(joined)]
    seen, heard = seen_and_heard([bool(f) for f in frames], sound_of(joined))
    assert seen == pytest.approx(5, abs=0.15)
    assert heard == pytest.approx(seen, abs=0.2)
    assert [bool(f.mean() > 128) for f in file_frames(joined)] == frames


def test_small_gaps_in_the_sound_become_silence(tmp_path: Path) -> None:
    """120 ms of sound are missing in each second; the beep stays at its time."""
    path, beep = tmp_path / "holes.mkv", 9.0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for i in range(250):
            if i % 25 < 3:
                continue
            tone = (i / 25 >= beep) * 0.5 * np.sin(np.arange(RATE // 25) * 0.3)
            piece = av.AudioFrame.from_ndarray((tone[None] * 32767).astype(np.int16), format="s16", layout="mono")
            piece.sample_rate, piece.time_base, piece.pts = RATE, Fraction(1, RATE), i * RATE // 25
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    heard = np.concatenate(list(file_sound(path)))
    assert np.argmax(np.abs(heard) > 0.1) / RATE == pytest.approx(beep + 0.12, abs=0.25)


def test_sound_may_change_rate_and_channels(tmp_path: Path) -> None:
    parts = []
    for rate, layout in ((48_000, "stereo"), (44_100, "mono")):
        part = tmp_path / f"{rate}.ts"
        with av.open(str(part), "w") as out:
            stream = out.add_stream("aac", rate=rate, layout=layout)
            for i in range(50):
                tone = 0.5 * np.sin(np.arange(i * rate // 25, (i + 1) * rate // 25) * 2 * np.pi * 440 / rate)
                channels = 2 if layout == "stereo" else 1
                piece = av.AudioFrame.from_ndarray(np.tile(tone.astype(np.float32), (channels, 1)), format="fltp", layout=layout)
                piece.sample_rate, piece.time_base, piece.pts = rate, Fraction(1, rate), i * rate // 25
                out.mux(stream.encode(piece))
            out.mux(stream.encode(None))
        parts.append(part.read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    heard = np.concatenate(list(file_sound(tmp_path / "both.ts")))
    assert len(heard) / RATE == pytest.approx(4, abs=0.3)
    last = heard[round(3 * RATE) : round(3.5 * RATE)]
    assert np.argmax(np.abs(np.fft.rfft(last))) * 2 == pytest.approx(440, abs=6)
