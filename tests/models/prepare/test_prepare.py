"""Raw videos become clips of one face each: without cuts, framed as in a call, nobody in both splits,
and no video prepared twice."""

import io
import shutil
import tarfile
from fractions import Fraction
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("av")
import av

from models.face.detector import BlazeFace
from models.face.shape_points import MESH
from models.prepare.command import find_videos, run_prepare
from models.prepare.job import Outcome, Preparer, Settings
from models.prepare.people import split_of
from models.prepare.samples import Sample, read_infos, read_samples
from models.prepare.store import read_lines
from models.prepare.sync import Sync
from models.runtime.mel import BANDS

CLIP = Path(__file__).parents[3] / "bench" / "clips" / "astronaut.mp4"
FIRST, EMPTY, SECOND = 60, 25, 70
"""Frames at 25 FPS of the three shots: a face on the left, nobody, a larger face on the right."""
START = FIRST + EMPTY
DEV, TRAIN = (next(n for n in (f"id{i:05d}" for i in count(1)) if split_of(n, 0.5) == s) for s in ("dev", "train"))


def write_raw(path: Path) -> None:
    """Write a video, 640×360 at 30 FPS with a moving background; a tone starts with the last shot."""
    with av.open(str(CLIP)) as container:
        faces = [f.to_ndarray(format="rgb24") for f, _ in zip(container.decode(video=0), range(SECOND), strict=False)]
    y, x = np.mgrid[0:360, 0:740]
    wide = np.uint8(np.stack([np.sin(x / 30) * 60 + 120, np.cos(y / 25) * 60 + 120, (x + y) / 6 + 30], -1))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "20"})
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        sound = out.add_stream("aac", rate=44100, layout="mono")
        for i in range((START + SECOND) * 30 // 25):
            at = i * 25 // 30
            picture = wide[:, i // 4 : i // 4 + 640].copy()
            if at < FIRST:
                picture[50:310, 30:290] = cv2.resize(faces[at], (260, 260), interpolation=cv2.INTER_AREA)
            elif at < START:
                picture[:] = picture[..., ::-1] // 2
            else:
                picture[20:340, 300:620] = cv2.resize(faces[at - START], (320, 320), interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            out.mux(video.encode(frame))
        seconds = np.arange(44100 * (START + SECOND) // 25) / 44100
        tone = np.where(seconds >= START / 25, 0.3 * np.sin(2 * np.pi * 1000 * seconds), 0).astype(np.float32)
        samples = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts = 44100, 0
        out.mux(sound.encode(samples))
        out.mux([*video.encode(None), *sound.encode(None)])


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """Two people, each with one whole video; one also has a truncated video and a text file named like a
    video."""
    folder = tmp_path_factory.mktemp("raw")
    for name in (DEV, TRAIN):
        (folder / name / "video").mkdir(parents=True)
    write_raw(folder / DEV / "video" / "00001.mp4")
    shutil.copy(folder / DEV / "video" / "00001.mp4", folder / TRAIN / "video" / "00001.mp4")
    whole = (folder / DEV / "video" / "00001.mp4").read_bytes()
    (folder / TRAIN / "video" / "00002.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / TRAIN / "video" / "00003.MP4").write_text("not a video")
    (folder / TRAIN / "readme.txt").write_text("no video either")
    return folder


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    """(folder, figures, printed lines) of one run in two processes."""
    out, said = tmp_path_factory.mktemp("prepared") / "shards", []
    figures = run_prepare(raw, out, 2, "folder", dev_share=0.5, say=said.append)
    return out, figures, said


def samples_of(out: Path) -> list[Sample]:
    return [s for path in sorted(out.glob("*.tar")) for s in read_samples(path)]


def pictures_of(sample: Sample) -> list[np.ndarray]:
    with av.open(io.BytesIO(sample.mp4)) as container:
        return [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode(video=0)]


def test_every_shot_with_a_face_is_a_clip_and_none_crosses_a_cut(prepared):
    samples = samples_of(prepared[0])
    assert len(samples) == 4
    for source in {s.info["source"] for s in samples}:
        first, second = sorted((s.info for s in samples if s.info["source"] == source), key=lambda i: i["start"])
        assert first["start"] == 0
        assert FIRST - 5 <= first["frames"] <= FIRST
        assert second["start"] * 25 == START
        assert SECOND - 6 <= second["frames"] <= SECOND
        assert second["face"] > first["face"] > 80
        assert second["crop"][0] - first["crop"][0] == pytest.approx(270, abs=25)


def test_clips_show_the_face_as_a_call_does(prepared):
    detector = BlazeFace()
    for sample in samples_of(prepared[0])[:2]:
        pictures = pictures_of(sample)
        assert len(pictures) == sample.info["frames"] == len(sample.boxes)
        assert pictures[0].shape == (256, 256, 3)
        for picture in pictures[::20]:
            face = detector.detect(picture)[0]
            assert face.height / 256 == pytest.approx(0.507, abs=0.06)
            assert face.centre[0] / 256 == pytest.approx(0.5, abs=0.06)
            assert face.centre[1] / 256 == pytest.approx(0.567, abs=0.06)
        assert sample.points.shape == (len(pictures), 54, 2)
        lips, nose, eyes, _ = sample.boxes.transpose(1, 0, 2)
        mouth = 128 + 128 * sample.points[:, MESH.index(13)].astype(float)  # the upper lip's middle
        assert ((mouth > lips[:, :2] - 3) & (mouth < lips[:, 2:] + 3)).all()
        assert (eyes[:, 1] < nose[:, 3]).all()
        assert (nose[:, 1] < lips[:, 3]).all()


def test_sound_is_that_of_the_clips_own_frames(prepared):
    for sample in samples_of(prepared[0]):
        assert sample.mel.shape == (4 * sample.info["frames"] + 1, BANDS)
        assert sample.mel.dtype == np.float16
        loudest = sample.mel.max(1)
        if sample.info["start"]:  # the tone begins with the clip, within one row of 10 ms
            assert loudest[0] == -1
            assert loudest[3:].min() > 0.3
        else:
            assert loudest[:-10].max() < -0.3


def test_nobody_is_in_both_splits_and_the_manifest_lists_all_clips(prepared):
    out, figures, _ = prepared
    rows = read_lines(out / "manifest.jsonl")
    assert {(r["identity"], r["split"]) for r in rows} == {(DEV, "dev"), (TRAIN, "train")}
    for split in ("dev", "train"):
        infos = read_infos(out / f"{split}-000000.tar")
        assert infos == [{k: v for k, v in r.items() if k not in ("split", "shard")} for r in rows if r["split"] == split]
        assert figures[f"{split}_clips"] == 2
        assert figures[f"{split}_people"] == 1
    assert len({r["key"] for r in rows}) == 4
    with tarfile.open(out / "dev-000000.tar") as tar:  # WebDataset groups files into samples by their name up to the first dot
        names = tar.getnames()
    assert [n.partition(".")[2] for n in names[:5]] == ["json", "mp4", "npy", "boxes.npy", "points.npy"]
    assert figures["hours_out"] < figures["hours_in"]


def test_broken_videos_are_reported_in_one_line_each(prepared):
    _, figures, said = prepared
    assert figures["broken"] == 2
    told = [line for line in said if line.startswith(TRAIN)]
    assert sorted(line.split(":")[0].rsplit("/", 1)[1] for line in told) == ["00002.mp4", "00003.MP4"]
    assert all("cannot decode" in line and "\n" not in line for line in told)


def test_a_second_run_prepares_only_new_videos(prepared, raw, monkeypatch, tmp_path):
    out = tmp_path / "shards"
    shutil.copytree(prepared[0], out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    run = []

    def stub(self, source):
        run.append(source)
        return Outcome(source, 1, "train", error="stub")

    monkeypatch.setattr(Preparer, "run", stub)
    figures = run_prepare(raw, out, 1, "folder", dev_share=0.5)
    assert run == []
    assert figures == prepared[1]
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    more = tmp_path / "raw"
    shutil.copytree(raw, more)
    (more / "id99999").mkdir()
    (more / "id99999" / "new.mkv").write_bytes(b"x")
    (more / TRAIN / "video" / "00002.mp4").write_bytes(b"fetched again")
    run_prepare(more, out, 1, "folder", dev_share=0.5)
    assert sorted(run) == sorted(["id99999/new.mkv", f"{TRAIN}/video/00002.mp4"])


def test_wrong_requests_are_refused_in_one_line(prepared, raw, tmp_path):
    out = prepared[0]
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.mp4").write_bytes(b"")
    cases = [
        (FileNotFoundError, "no such folder", (tmp_path / "none", out, 1)),
        (FileNotFoundError, "no such file", (raw, out, 1, "folder", tmp_path / "sync.pt")),
        (ValueError, "not folder or file", (raw, out, 1, "name")),
        (ValueError, "dev share", (raw, out, 1, "folder", None, 1.0)),
        (ValueError, "workers", (raw, out, 0, "folder")),
        (ValueError, "no videos", (tmp_path / "empty", out, 1)),
        (ValueError, "no folder", (tmp_path / "flat", tmp_path / "x", 1, "folder")),
        (ValueError, "begun with", (raw, out, 1, "folder", None, 0.1)),
    ]
    for kind, text, arguments in cases:
        with pytest.raises(kind, match=text) as caught:
            run_prepare(*arguments)
        assert "\n" not in str(caught.value)


def test_the_sync_filter_drops_clips_out_of_sync(raw):
    seen = []

    def score(frames, mel, boxes):
        seen.append((frames.shape, mel.shape, boxes.shape))
        return Sync(0.4, -1) if len(seen) == 1 else Sync(0.4, 3)

    outcome = Preparer(raw, Settings("folder", 0.5), score).run(f"{DEV}/video/00001.mp4")
    (kept,) = outcome.samples
    frames = kept.info["frames"]
    assert kept.info["sync"] == {"confidence": 0.4, "offset": -1}
    assert seen[0] == ((frames, 256, 256, 3), (4 * frames + 1, BANDS), (frames, 4, 4))
    assert outcome.dropped["out of sync"] == seen[1][0][0]
    assert not Sync(0.01, 0).good


def test_only_videos_are_found(raw):
    assert len(find_videos(raw)) == 4
    assert not any(source.endswith(".txt") for source in find_videos(raw))
