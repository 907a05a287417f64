"""The lip-sync expert learns which sound belongs to which mouth and how late it is, on mouths whose
brightness is the loudness of the sound."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("av")

from models.lipsync.data import LIPS, MOUTHS, POINTS, STORED, Placement, SyncData, SyncSampler, move_lips, vary_mouths
from models.lipsync.landmark_expert import LipsConfig
from models.lipsync.offset import REACH
from models.lipsync.score import clip_score, evaluate_sync, score_clips, whole_clips
from models.lipsync.sync_file import in_sync, read_scores
from models.lipsync.syncnet import MOUTH, SyncNet, load_sync, match_loss, mouth_box, mouths_of
from models.lipsync.trainer import SyncConfig, SyncTrainer, train_sync
from models.runtime.mel import BANDS

FRAMES = 70
BOXES = [[90, 150, 160, 190], [105, 90, 150, 150], [70, 80, 186, 110], [70, 60, 186, 80]]
LATE, FOREIGN, SILENT = "2.mp4", "5.mp4", "7.mp4"
"""A clip whose sound is three frames late, one with sound that is not its own, one with silence."""
SYNC_CONFIG = SyncConfig(steps=60, width=4, batch=4, length=24, rate=5e-3, threads=1)
LIPS_CONFIG = LipsConfig(steps=150, batch=8, length=24, folds=2, rounds=1, least_confidence=0.1)


def _write_split(folder, clips, seed):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    total, rows = clips * FRAMES, 4 * FRAMES + 1
    mouths, lips = np.zeros((total, *STORED), np.uint8), np.zeros((total, POINTS, 2), np.float16)
    mels, index = [], []
    for clip in range(clips):
        name, part = f"{clip}.mp4", slice(clip * FRAMES, (clip + 1) * FRAMES)
        loud = np.convolve(rng.uniform(-1, 1, FRAMES + 22), np.ones(3) / 3)[10 : 10 + FRAMES + 10].clip(-0.6, 0.6)
        mouths[part] = (110 + 120 * loud[:FRAMES, None, None]).astype(np.uint8)
        lips[part] = 0.3 + 0.1 * loud[:FRAMES, None, None]
        shift = 3 if name == LATE else 0
        heard = rng.permutation(loud)[:FRAMES] if name == FOREIGN else np.concatenate([np.zeros(shift), loud])[:FRAMES]
        mel = np.repeat(np.append(heard, heard[-1]), 4)[:rows, None] + 0.02 * rng.standard_normal((rows, BANDS))
        mels.append(np.full((rows, BANDS), -1.0) if name == SILENT else mel)
        place = {"start": clip * FRAMES, "frames": FRAMES, "mel_start": clip * rows, "mel_frames": rows}
        index.append({"name": name, "identity": f"person{clip % 4}"} | place)
    for name, shape in (("yuv256", (384, 256)), ("rgb64", (64, 64, 3)), ("ycc8", (8, 8, 3))):
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, (total, *shape))
    mel = np.concatenate(mels).astype(np.float16)
    regions = np.tile(np.array(BOXES, np.int16), (total, 1, 1))
    for name, array in (("regions.npy", regions), (MOUTHS, mouths), (LIPS, lips), ("mel.npy", mel)):
        np.save(folder / name, array)
    (folder / "index.json").write_text(json.dumps(index))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sync")
    _write_split(folder / "train", 8, 1)
    _write_split(folder / "dev", 2, 2)
    return folder


@pytest.fixture(scope="module")
def train(cache):
    return SyncData(cache / "train")


@pytest.fixture(scope="module")
def trained(cache, tmp_path_factory):
    """(path of the expert, result of its training)"""
    out = tmp_path_factory.mktemp("expert") / "sync.pt"
    return out, train_sync(cache, out, SYNC_CONFIG, LIPS_CONFIG)


def test_landmark_experts_find_late_and_foreign_sound(cache, trained):
    scores = read_scores(cache / "train")
    assert SILENT not in scores
    found = in_sync(scores, LIPS_CONFIG.least_confidence, LIPS_CONFIG.most_late)
    assert FOREIGN not in found
    assert len(found) == 6
    assert {name: abs(late - 3 * (name == LATE)) <= 1 for name, late in found.items()} == dict.fromkeys(found, True)


def test_the_expert_learns_to_detect_shifted_sound_and_is_saved(cache, trained):
    out, result = trained
    assert result["train_clips"] == {"not_silent": 7, "in_sync": 6}
    assert result["dev"]["expert"]["against_none"]["two_way"] > 0.8
    assert json.loads(out.with_suffix(".json").read_text())["dev"] == result["dev"]
    for split, clips in (("train", 7), ("dev", 2)):
        assert len(json.loads((cache / split / "sync.json").read_text())) == clips

    dev, expert = SyncData(cache / "dev"), load_sync(out)
    assert not expert.training
    assert not any(p.requires_grad for p in expert.parameters())
    assert evaluate_sync(whole_clips(expert, dev), dev, {"0.mp4": 0, "1.mp4": 0}) == result["dev"]["expert"]["against_none"]
    assert {abs(int(s["offset"])) <= 1 for s in score_clips(whole_clips(expert, dev), dev).values()} == {True}
    again = train_sync(cache, out, SYNC_CONFIG, LIPS_CONFIG)  # nothing is left to do
    assert again["dev"] == result["dev"]


def test_resume_is_exact(train, tmp_path):
    config = SyncConfig(steps=6, width=2, batch=2, length=16, threads=1, still=0.3)
    sampler = SyncSampler(train, {c.name: 0 for c in train.clips}, 2, 16, 3)

    def run(out, stops):
        for stop in stops:
            trainer = SyncTrainer(config, out)
            while trainer.step < stop:
                trainer.train_step(sampler.draw(trainer.step))
            trainer.save()
        return torch.load(out.with_suffix(".state.pt"), weights_only=True)

    straight, resumed = run(tmp_path / "a.pt", [5]), run(tmp_path / "b.pt", [1, 3, 5])
    for kind in ("model", "ema"):
        assert [k for k, v in straight[kind].items() if not torch.equal(v, resumed[kind][k])] == []
    assert straight["step"] == resumed["step"] == 5
    two = run(tmp_path / "c.pt", [2])
    assert not torch.equal(two["model"]["matcher.sound.0.0.weight"], straight["model"]["matcher.sound.0.0.weight"])


def test_a_batch_is_a_function_of_its_step(train):
    clips = {c.name: 0 for c in train.clips}
    a, b, c = (SyncSampler(train, clips, 3, 20, seed).draw(7) for seed in (1, 1, 2))
    for name, shape in (("mouths", (3, 20, *MOUTH)), ("lips", (3, 20, 2 * POINTS)), ("mel", (3, 80, BANDS))):
        assert getattr(a, name).shape == shape
        assert torch.equal(getattr(a, name), getattr(b, name))
        assert not torch.equal(getattr(a, name), getattr(c, name))
    with pytest.raises(ValueError, match="no clip"):
        SyncSampler(train, clips, 3, FRAMES + 1)


def test_the_sound_of_a_window_is_that_of_the_cache(train):
    clip = train.clips[1]
    assert np.array_equal(train.sound(clip, 10, 5), train.cache.speech(clip, 12, FRAMES))


def test_lip_points_move_with_their_picture():
    """A dot at a lip point of the crop is, in the varied crop, at the varied point."""
    rng = np.random.default_rng(3)
    n, unit = 6, 40.0
    lips = np.zeros((n, 2, POINTS, 2), np.float32)
    lips[:, 1] = rng.uniform(-0.3, 0.3, (n, 1, 2))  # equal points, so that a mirror's order doesn't matter
    stored = torch.zeros(n, 2, *STORED)
    y, x = np.mgrid[: STORED[0], : STORED[1]]
    for i in range(n):
        for t in range(2):
            at = np.array([41.5, 27.5]) + lips[i, t, 0] * unit
            stored[i, t] = torch.from_numpy(np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8)).float()
    place = Placement.draw(n, rng)
    seen = vary_mouths(stored, place, np.random.default_rng(0))
    moved = move_lips(lips, place).reshape(n, 2, POINTS, 2)[:, :, 0]
    for i in range(n):
        found = [np.array(np.unravel_index(int(seen[i, t].argmax()), MOUTH))[::-1] for t in range(2)]
        assert found[1] - found[0] == pytest.approx((moved[i, 1] - moved[i, 0]) * unit, abs=2.5)


def test_a_window_alone_is_embedded_as_in_its_clip():
    torch.manual_seed(0)
    net = SyncNet(width=2).eval()
    mouths, mel = torch.rand(1, 12, *MOUTH), torch.rand(1, 48, BANDS)
    faces, sounds = net.embed_faces(mouths), net.embed_sounds(mel)
    assert faces.shape == sounds.shape == (1, 8, 256)
    assert torch.allclose(net.embed_faces(mouths[:, 3:8])[:, 0], faces[:, 3], atol=1e-5)
    assert torch.allclose(net.embed_sounds(mel[:, 12:32])[:, 0], sounds[:, 3], atol=1e-5)
    assert float(faces.detach().min()) >= 0


def test_mouths_are_cut_out_at_the_landmarks_and_pass_gradients():
    boxes = torch.tensor([BOXES]).float()
    x0, y0, x1, y1 = (int(v) for v in mouth_box(boxes)[0].round())
    assert (x1 - x0) / (y1 - y0) == pytest.approx(1.5, abs=0.05)
    assert y0 < 190 < y1
    frames = torch.zeros(1, 1, 3, 256, 256)
    frames[..., y0:y1, x0:x1] = 0.6
    frames.requires_grad_()
    seen = mouths_of(frames, boxes[None])
    assert seen.shape == (1, 1, *MOUTH)
    assert float(seen.detach().min()) == pytest.approx(0.6, abs=0.02)
    seen.sum().backward()
    assert float(frames.grad[..., y0:y1, x0:x1].sum()) > 0.9 * float(frames.grad.sum())
    assert torch.equal(mouths_of(frames, None), mouths_of(frames, torch.zeros(1, 1, 4, 4)))


def test_scores_and_losses_by_hand():
    rows = np.full((40, 2 * REACH + 1), 1.2)
    rows[:, REACH + 2] = 0.7
    rows[0, 0] = np.nan
    assert clip_score(rows) == {"confidence": 0.5, "offset": 2}
    assert clip_score(np.full((3, 2 * REACH + 1), np.nan)) == {"confidence": 0.0, "offset": 0}
    scores = {"a": {"confidence": 0.5, "offset": 2}, "b": {"confidence": 0.5, "offset": 9}, "c": {"confidence": 0.0, "offset": 0}}
    assert in_sync(scores, 0.1, 6) == {"a": 2}
    one = torch.eye(8)[None]
    assert float(match_loss(one, one, 14.0)) < 1e-4
    assert float(match_loss(one, one.roll(4, 1), 14.0)) > 10
