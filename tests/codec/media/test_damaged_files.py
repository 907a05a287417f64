"""Files as they occur in practice: with damaged packets, gaps, and time stamps that jump."""

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import SourceError, file_frames, file_sound
from codec.media.timing import RATE

FRAMES = 50
SECONDS = FRAMES / 25


def written(path: Path, number: Callable[[int], int] = lambda i: i, sound_from: Callable[[float], float] = lambda t: t) -> Path:
    """Write two seconds of pictures and a tone. ``number(i)`` is the time of the i-th picture in 1/25 s; ``sound_from(t)``
    is the time, in seconds, of the sound of second ``t``."""
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("mpeg4", rate=25), out.add_stream("aac", rate=RATE, layout="mono")
        video.width = video.height = 64
        video.codec_context.time_base = Fraction(1, 25)
        for i in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number(i), Fraction(1, 25)
            out.mux(video.encode(frame))
            tone = (0.3 * np.sin(np.arange(RATE // 25) * 0.2)).astype(np.float32)
            piece = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            piece.sample_rate, piece.time_base = RATE, Fraction(1, RATE)
            piece.pts = round(sound_from(i / 25) * RATE)
            out.mux(audio.encode(piece))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def sound(path: Path) -> np.ndarray:
    return np.concatenate(list(file_sound(path)))


def damaged(path: Path, which: Callable[[int], bool]) -> Path:
    """Write the shipped clip's pictures, with the packets that ``which`` selects overwritten."""
    with av.open(str(shipped_clip())) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for i, packet in enumerate(p for p in source.demux(stream) if p.dts is not None):
            data = bytes(packet)
            other = av.Packet(b"\x00" * 8 + data[8:] if which(i) else data)
            other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
            other.is_keyframe, other.stream = packet.is_keyframe, copy
            out.mux(other)
    return path


def test_a_damaged_packet_costs_at_most_two_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = len(list(file_frames(shipped_clip())))
    with caplog.at_level(logging.WARNING):
        found = list(file_frames(damaged(tmp_path / "damaged.mp4", lambda i: i == 100)))
    assert abs(len(found) - whole) <= 2
    assert "1 damaged packets" in caplog.text


def test_a_file_without_an_intact_packet_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot decode|holds no pictures"):
        list(file_frames(damaged(tmp_path / "broken.mp4", lambda _: True)))


def test_a_picture_is_held_until_the_next_time_stamp(tmp_path: Path) -> None:
    assert len(list(file_frames(written(tmp_path / "a.mkv", lambda i: i if i < 25 else i + 50)))) == FRAMES + 50


def test_a_jump_of_hours_in_the_time_stamps_adds_no_pictures(tmp_path: Path) -> None:
    found = list(file_frames(written(tmp_path / "a.mkv", lambda i: i if i < 25 else i + 25 * 7200)))
    assert len(found) == FRAMES


def test_joined_files_follow_each_other(tmp_path: Path) -> None:
    one, both = written(tmp_path / "a.ts"), tmp_path / "b.ts"
    both.write_bytes(one.read_bytes() * 2)
    assert abs(len(list(file_frames(both))) - 2 * len(list(file_frames(one)))) <= 2
    assert len(sound(both)) / RATE == pytest.approx(2 * SECONDS, abs=0.3)


def test_a_gap_in_the_sound_becomes_silence(tmp_path: Path) -> None:
    heard = sound(written(tmp_path / "a.mkv", sound_from=lambda t: t if t < 1 else t + 0.5))
    assert len(heard) / RATE == pytest.approx(SECONDS + 0.5, abs=0.15)
    assert np.abs(heard[round(1.15 * RATE) : round(1.35 * RATE)]).max() < 0.05
    assert np.abs(heard[round(1.6 * RATE) : round(1.9 * RATE)]).max() > 0.2
