"""The parts of preparing: tracks, cuts, small faces, the split by person, the sync score, and shards
that survive a kill."""

import json
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("av")
import av

from models.face.detector import BlazeFace, Detection
from models.prepare import command
from models.prepare.cuts import HEIGHT, WIDTH, CutDetector
from models.prepare.faces import find_faces
from models.prepare.job import Outcome, Settings
from models.prepare.people import identity_of, split_of
from models.prepare.samples import Sample, read_samples
from models.prepare.store import Store, read_journal
from models.prepare.sync import load_score
from models.prepare.tracks import SpanLimits, Track, Tracks, spans
from models.runtime.mel import BANDS

CLIP = Path(__file__).parents[3] / "bench" / "clips" / "astronaut.mp4"


@pytest.mark.parametrize("late", [0, 3, -6])
def test_the_sync_score_finds_how_late_the_sound_is(monkeypatch, tmp_path, late):
    """With a stand-in for the expert that compares a frame's brightness with the mel row of the middle frame."""
    torch = pytest.importorskip("torch")
    from models.lipsync import syncnet

    class Expert(torch.nn.Module):
        times = 5

        def embed_faces(self, mouths):
            return self.turn(mouths.mean((2, 3))[:, 2:-2])

        def embed_sounds(self, mel):
            return self.turn(mel[:, 11:-8:4, 0])  # the twelfth of a window's twenty rows belongs to the middle frame

        @staticmethod
        def turn(light):
            return torch.stack([(light * torch.pi).cos(), (light * torch.pi).sin()], 2)

    monkeypatch.setattr(syncnet, "load_sync", lambda path: Expert())
    (tmp_path / "sync.pt").write_bytes(b"")
    light = np.random.default_rng(4).uniform(0.1, 0.9, 60)
    frames = np.uint8(light * 255).reshape(-1, 1, 1, 1) * np.ones((1, 256, 256, 3), np.uint8)
    mel = np.zeros((241, BANDS), np.float16)
    mel[:240] = np.repeat(np.roll(light, late), 4)[:, None]
    found = load_score(tmp_path / "sync.pt")(frames, mel, np.zeros((60, 4, 4), np.int16))
    assert found.offset == late
    assert found.confidence > 0.3
    assert found.good == (abs(late) <= 2)


def test_the_sync_score_uses_a_trained_expert(tmp_path):
    torch = pytest.importorskip("torch")
    from models.lipsync.syncnet import SyncNet

    net = SyncNet(4)
    torch.save({"model": net.state_dict(), "width": net.width, "times": net.times}, tmp_path / "sync.pt")
    rng = np.random.default_rng(0)
    frames, mel = rng.integers(0, 256, (52, 256, 256, 3), np.uint8), rng.uniform(-1, 1, (209, BANDS)).astype(np.float16)
    found = load_score(tmp_path / "sync.pt")(frames, mel, np.zeros((52, 4, 4), np.int16))
    assert 0 <= found.confidence < 2**0.5
    assert abs(found.offset) <= 15
    for wrong in (b"", b"text"):
        (tmp_path / "wrong.pt").write_bytes(wrong)
        with pytest.raises(ValueError, match="is no checkpoint"):
            load_score(tmp_path / "wrong.pt")


def small_sample(key: str, identity: str = "p", source: str = "a.mp4") -> Sample:
    info = {"identity": identity, "source": source, "frames": 1}
    return Sample(key, info, key.encode() * 300, np.zeros((5, BANDS), np.float16), np.zeros((1, 4, 4), np.int16))


def outcome_of(source: str, split: str = "train", clips: int = 2) -> Outcome:
    return Outcome(source, 9, split, 1.0, [small_sample(f"{source[:-4]}-{i}", source=source) for i in range(clips)])


def test_a_killed_run_resumes_and_has_the_same_result(tmp_path):
    names = [f"{c}.mp4" for c in "abcdef"]
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    with Store(straight, {}, 12000) as store:
        for name in names:
            store.add(outcome_of(name))

    def killed_after(done: list[str]) -> None:
        with Store(broken, {}, 12000) as store:
            for name in done:
                store.add(outcome_of(name))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_after(names[:3])
    (part,) = broken.glob("*.part")  # the state after a kill in the middle of a write
    part.write_bytes(part.read_bytes() + b"half a member")
    with (broken / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"key": "d-0", "source": "d.mp4"}) + "\n" + '{"key": "d-1"')
    with (broken / "videos.jsonl").open("a") as file:
        file.write('{"source": "d.mp')
    with Store(broken, {}, 12000) as store:
        left = [name for name in names if not store.done(name, 9)]
        for name in left:
            store.add(outcome_of(name))
    assert left == names[3:]
    assert {p.name: p.read_bytes() for p in straight.iterdir()} == {p.name: p.read_bytes() for p in broken.iterdir()}
    assert len(list(straight.glob("*.tar"))) > 1
    samples = [s for path in sorted(straight.glob("*.tar")) for s in read_samples(path)]
    assert [s.key for s in samples] == [f"{n[0]}-{i}" for n in names for i in range(2)]


def test_two_runs_at_once_are_refused(tmp_path):
    with Store(tmp_path, {}), pytest.raises(ValueError, match="another process"):
        Store(tmp_path, {})


def test_damaged_shards_are_reported(tmp_path):
    with Store(tmp_path, {}) as store:
        store.add(outcome_of("a.mp4"))
    path = tmp_path / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="damaged"):
        list(read_samples(path))


def test_a_video_that_kills_its_process_is_reported_and_the_others_are_prepared(monkeypatch, tmp_path):
    class Pool:
        """Behaves as the real pool: when a process dies, all waiting work fails."""

        def __init__(self, *_):
            self.broken = False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, _run, source):
            future = Future()
            self.broken |= source == "bad.mp4"
            if self.broken:
                future.set_exception(BrokenProcessPool())
            else:
                future.set_result(Outcome(source, 1, "train"))
            return future

    monkeypatch.setattr(command, "_pool", Pool)
    names = [f"{i}.mp4" for i in range(6)]
    for name in ("bad.mp4", *names):
        (tmp_path / name).write_bytes(b"xyz")
    found = list(command.outcomes(tmp_path, [*names[:3], "bad.mp4", *names[3:]], Settings(), 2))
    assert Counter(o.source for o in found) == Counter([*names, "bad.mp4"])
    assert [(o.source, o.bytes) for o in found if o.error] == [("bad.mp4", 3)]


def test_identities():
    assert identity_of(Path("id00012/x9Jd/00001.mp4"), "folder") == "id00012"
    assert identity_of(Path("dev/mp4/id00012/x9Jd/00001.mp4"), "folder") == "id00012"
    assert identity_of(Path("anna/1.mp4"), "folder") == "anna"
    assert identity_of(Path("a/-_4wVCfVQ_M_12.3_17.0.mp4"), "file") == "-_4wVCfVQ_M"
    assert identity_of(Path("a/anna.mp4"), "file") == "anna"
    with pytest.raises(ValueError, match="no folder"):
        identity_of(Path("1.mp4"), "folder")


def test_splits_are_a_stable_share_of_the_people():
    people = [f"person {i}" for i in range(5000)]
    dev = {p for p in people if split_of(p, 0.02) == "dev"}
    assert len(dev) == pytest.approx(100, abs=30)
    assert dev < {p for p in people if split_of(p, 0.05) == "dev"}
    assert {split_of(p, 0) for p in people} == {"train"}


def face(x: float, y: float = 100.0, size: float = 100.0) -> Detection:
    return Detection(x, y, size, size, 0.9, np.zeros((6, 2), np.float32))


def test_tracks_keep_faces_apart_and_end_at_cuts():
    tracks = Tracks()
    for i in range(6):
        tracks.look(5 * i, [face(300 + 4 * i), face(100 - 4 * i)][:: (-1) ** i])
    tracks.cut()
    tracks.look(30, [face(320)])
    found = tracks.finish()
    assert sorted((t.frames[0], t.frames[-1]) for t in found) == [(0, 25), (0, 25), (30, 30)]
    for track in found[:2]:
        assert np.ptp([f.x for f in track.faces]) == 20


def test_tracks_bridge_one_missed_detection_but_not_two():
    tracks = Tracks()
    for at, faces in ((0, [face(100)]), (5, []), (10, [face(110)]), (15, []), (20, []), (25, [face(110)])):
        tracks.look(at, faces)
    assert [t.frames for t in tracks.finish()] == [[0, 10], [25]]


def track_of(xs, size: float = 100.0) -> Track:
    return Track([5 * i for i in range(len(xs))], [face(x, size=size) for x in xs])


def test_spans_are_cut_by_length_and_where_the_face_strays():
    dropped: Counter[str] = Counter()
    still = spans(track_of([300] * 125), 900, 400, SpanLimits(), dropped)  # 24.8 s
    assert [(s.start, s.stop) for s in still] == [(0, 210), (210, 415), (415, 621)]
    assert still[0].crop.side == pytest.approx(197)
    moved = spans(track_of([300] * 20 + [420] * 20), 900, 400, SpanLimits(), dropped)
    assert len(moved) == 2
    assert moved[0].stop == moved[1].start
    assert moved[1].crop.x - moved[0].crop.x == pytest.approx(120)
    assert not dropped


@pytest.mark.parametrize(
    ("track", "reason"),
    [
        (track_of([300] * 8), "short"),
        (track_of([300] * 20, size=60.0), "small"),
        (track_of([-45] * 20), "outside"),
        (Track([10 * i for i in range(10)], [face(300)] * 10), "unseen"),
    ],
)
def test_unusable_spans_are_counted_by_reason(track, reason):
    dropped: Counter[str] = Counter()
    assert spans(track, 900, 400, SpanLimits(), dropped) == []
    assert list(dropped) == [reason]
    assert dropped[reason] == track.frames[-1] + 1


def test_small_faces_are_found_in_tiles_and_once():
    with av.open(str(CLIP)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    canvas = np.full((1080, 1920, 3), 120, np.uint8)
    canvas[500:700, 1500:1700] = cv2.resize(picture, (200, 200), interpolation=cv2.INTER_AREA)
    detector = BlazeFace()
    assert detector.detect(canvas) == []
    (found,) = find_faces(canvas, detector, 80)
    assert found.centre[0] == pytest.approx(1600, abs=10)
    assert found.height == pytest.approx(detector.detect(picture)[0].height * 200 / len(picture), rel=0.05)


def test_cuts_are_distinguished_from_motion():
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))

    def picture(shift: float, phase: float) -> np.ndarray:
        return np.uint8(np.stack([127 + 100 * np.sin((x + shift) / 4 + phase + c + y / 5) for c in range(3)], -1))

    detector = CutDetector()
    told = [detector.update(picture(0.2 * i, 0.0 if i < 20 else 2.5)) for i in range(40)]
    assert [i for i, cut in enumerate(told) if cut] == [20]


def test_the_journal_keeps_the_last_entry(tmp_path):
    with Store(tmp_path, {}) as store:
        store.add(Outcome("a.mp4", 3, "train", error="short"))
        store.add(outcome_of("a.mp4"))
    assert read_journal(tmp_path)["a.mp4"]["error"] is None
