"""Decoding a .fw file: which bundles are ticks, and where the end record cuts the video."""

from pathlib import Path

import pytest

from codec.bundle import Bundle, Report
from codec.container import FileWriter
from receiver.decode_file import decode_file
from receiver.outputs.recorder import Recorder


def frames(path: Path, keyframe, records) -> float | None:
    """The number of frames decoded from a file of these records: bundles, keyframes, and a number for the end record."""
    with path.open("wb") as file:
        writer = FileWriter(file)
        writer.keyframe(0, keyframe)
        for record in records:
            if isinstance(record, Bundle):
                writer.bundle(record)
            elif isinstance(record, int):
                writer.end(record)
            else:
                writer.keyframe(0, record)
    return decode_file(path, path.with_suffix(".mp4"))["frames"]


def test_the_end_record_cuts_the_last_tick_even_if_keyframes_are_in_between(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    assert frames(tmp_path / "a.fw", keyframe, [*bundles[:2], 7]) == 7
    assert frames(tmp_path / "b.fw", keyframe, [*bundles[:2], keyframe, keyframe, 7]) == 7
    assert frames(tmp_path / "c.fw", keyframe, [bundles[0], keyframe, bundles[1]]) == 10


@pytest.mark.parametrize("time", [0, 10])
def test_a_bundle_with_only_a_report_is_not_a_tick(recorded, tmp_path: Path, time: int) -> None:
    keyframe, bundles, _ = recorded
    report = Bundle(0, time, report=Report(0, 0))
    assert report.only_reports
    assert frames(tmp_path / "a.fw", keyframe, [bundles[0], report, bundles[1], 10]) == 10


def test_a_recording_counts_the_frames_that_begin_in_its_ticks(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    recorder = Recorder(tmp_path / "a.fw")
    recorder.keyframe(0, keyframe)
    recorder.bundle(Bundle(0, 0, 2, bundles[0].picture))  # 60 ms: the frames at 0 and 40
    recorder.close()
    assert decode_file(tmp_path / "a.fw", tmp_path / "a.mp4")["frames"] == 2
