"""A call's stream recorded to a file: gaps, late bundles and restarts; and the file decoded to a video."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from codec.bundle import TICK_MODES, TIME_UNIT, Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.media.files import file_sound
from receiver.decode_file import decode_file
from receiver.outputs.recorder import Recorder
from receiver.outputs.video_file import OutputError
from receiver.timeline import GAP_MS, Timeline


def at(ms: int, tick_mode: int = 0) -> Bundle:
    return Bundle(0, (ms // TIME_UNIT) & 0xFFFF, tick_mode)


def times(timeline: Timeline, *bundles: Bundle) -> list[tuple[int, int, bool]]:
    return [(s.at_ms, s.tick_ms, s.bundle is not None) for b in bundles for s in timeline.ticks(b)]


def test_gaps_become_ticks_and_late_bundles_do_not() -> None:
    found = times(Timeline(), at(600), at(800), at(1400), at(1000), at(1600))
    assert found == [(0, 200, True), (200, 200, True), (400, 200, False), (600, 200, False), (800, 200, True), (1000, 200, True)]


def test_time_starts_at_a_common_multiple_of_tick_lengths_and_wraps() -> None:
    wrap = 0x10000 * TIME_UNIT
    found = times(Timeline(), at(wrap - 200 - (wrap - 200) % 200), at(wrap - wrap % 200))
    assert [ms % 200 for ms, _, _ in found] == [found[0][0] % 200] * len(found)
    assert found[0][0] < 600
    assert found[-1][0] == found[0][0] + 200


def test_a_gap_before_another_tick_mode_ends_where_its_tick_begins() -> None:
    found = times(Timeline(), at(0), at(660, 2))
    assert found == [(0, 200, True), (200, 200, False), (400, 200, False), (600, 60, False), (660, TICK_MODES[2], True)]


@pytest.mark.parametrize("jump", [GAP_MS + 400, -GAP_MS - 400])
def test_time_continues_after_a_long_pause_or_a_restart(jump: int) -> None:
    found = times(Timeline(), at(60_000), at(60_200 + jump), at(60_400 + jump))
    assert found == [(0, 200, True), (200, 200, True), (400, 200, True)]


def test_the_sound_of_a_lost_tick_is_taken_from_the_next_bundle() -> None:
    timeline = Timeline()
    timeline.ticks(at(0))
    lost, before, this = timeline.ticks(replace(at(600), redundant=(b"x",)))
    assert (lost.redundant, before.redundant, this.redundant) == ((), (b"x",), ())
    assert (lost.missing, before.missing, this.missing) == (1, 2, 0)


def test_a_recording_lasts_as_long_as_the_call(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    out = tmp_path / "call.fw"
    recorder = Recorder(out)
    recorder.keyframe(0, keyframe)
    late = 7
    for number, bundle in enumerate(bundles[:15]):
        if number not in (4, 5, late):
            recorder.bundle(replace(bundle, time=bundle.time + 1200 // TIME_UNIT))
        if number == late + 2:
            recorder.bundle(replace(bundles[late], time=bundles[late].time + 1200 // TIME_UNIT))
    assert not out.exists()
    recorder.close()
    recorder.close()
    with out.open("rb") as file:
        records = list(read_file(file))
    assert isinstance(records[0], StoredKeyframe)
    assert records[-1] == End(75)
    assert len(records) == 2 + 13
    figures = decode_file(out, tmp_path / "call.mp4")
    assert (figures["frames"], figures["ticks"], figures["errors"]) == (75, 15, 0)
    with av.open(str(tmp_path / "call.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 75
    sound = np.concatenate(list(file_sound(tmp_path / "call.mp4")))
    assert abs(len(sound) / 16_000 - 3.0) < 0.1


def test_in_long_gaps_the_picture_is_held_and_not_rendered(recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.runtime.upsampler import Upsampler

    drawn = []
    step = Upsampler.step
    monkeypatch.setattr(Upsampler, "step", lambda self, *inputs: drawn.append(1) or step(self, *inputs))
    keyframe, bundles, _ = recorded
    recorder = Recorder(tmp_path / "call.fw")
    recorder.keyframe(0, keyframe)
    recorder.bundle(bundles[0])
    recorder.bundle(replace(bundles[1], time=bundles[0].time + 8000 // TIME_UNIT))
    recorder.close()
    figures = decode_file(tmp_path / "call.fw", tmp_path / "call.mp4")
    assert figures["frames"] == 205
    assert len(drawn) == 5 * 7


def test_without_bundles_no_file_is_left_and_an_unwritable_path_is_an_error(recorded, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.fw")
    recorder.keyframe(0, recorded[0])
    recorder.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="cannot write"):
        Recorder(tmp_path / "none" / "call.fw")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_ends_the_recording_but_not_the_call(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    (tmp_path / "call.fw.part").symlink_to("/dev/full")
    recorder = Recorder(tmp_path / "call.fw")
    for slot in range(16):
        recorder.keyframe(slot, keyframe)
    for bundle in bundles:
        recorder.bundle(bundle)
    with pytest.raises(OutputError, match=r"call\.fw is not whole: .*call\.fw\.part"):
        recorder.close()
    assert not (tmp_path / "call.fw").exists()


def test_a_keyframe_that_is_offered_again_is_written_once(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    recorder = Recorder(tmp_path / "call.fw")
    for _ in range(100):
        recorder.keyframe(0, keyframe)
    recorder.bundle(bundles[0])
    recorder.close()
    with (tmp_path / "call.fw").open("rb") as file:
        assert sum(isinstance(record, StoredKeyframe) for record in read_file(file)) == 1
