"""Decoding a .fw file: which bundles are ticks, and where the end record cuts the video."""

from pathlib import Path

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


def test_the_end_record_cuts_whatever_precedes_it(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    report = Bundle(0, 0, report=Report(0, 0))
    assert frames(tmp_path / "a.fw", keyframe, [*bundles[:2], 7]) == 7
    assert frames(tmp_path / "b.fw", keyframe, [*bundles[:2], keyframe, report, keyframe, 7]) == 7
    assert frames(tmp_path / "c.fw", keyframe, [bundles[0], keyframe, bundles[1]]) == 10
    assert frames(tmp_path / "d.fw", keyframe, [bundles[0], bundles[2], bundles[1], 12]) == 12  # the second came late


def test_a_bundle_that_only_reports_is_no_tick(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    report = Bundle(0, bundles[0].time + 40, report=Report(0, 0))  # else a tick 800 ms after the first
    assert frames(tmp_path / "a.fw", keyframe, [bundles[0], report, bundles[1]]) == 10


def test_a_recording_counts_the_frames_that_begin_in_its_ticks(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    recorder = Recorder(tmp_path / "a.fw")
    recorder.keyframe(0, keyframe)
    recorder.bundle(Bundle(0, 0, 2, bundles[0].picture))  # 60 ms: the frames at 0 and 40
    recorder.close()
    assert decode_file(tmp_path / "a.fw", tmp_path / "a.mp4")["frames"] == 2
