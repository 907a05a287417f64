"""The lip-sync score finds a known shift, with an expert that compares brightness and loudness."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.metrics.sync import face_embeddings, load_expert, scores, sound_embeddings
from models.lipsync.offset import REACH
from models.lipsync.syncnet import SyncNet

FRAMES = 75
BOXES = np.tile(np.int16([[90, 160, 165, 200], [105, 100, 150, 160], [75, 85, 180, 115], [70, 65, 185, 90]]), (FRAMES, 1, 1))


class Reader:
    """An expert whose embeddings are the brightness of five frames and the loudness of five groups of four mel rows."""

    times = 5

    def embed_faces(self, mouths):
        return mouths.mean((2, 3)).unfold(1, 5, 1) - 0.5

    def embed_sounds(self, mel):
        return mel.mean(2).reshape(1, -1, 4).mean(2).unfold(1, 5, 1) - 0.5


def planted(shift: int) -> tuple:
    """(frames whose brightness is the loudness ``shift`` frames later, mel rows of the sound); mel rows
    4f − 3 … 4f belong to frame f."""
    level = np.random.default_rng(7).uniform(0, 1, FRAMES + 40).astype(np.float32)
    frames = torch.from_numpy(level[20 : 20 + FRAMES]).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    mel = np.repeat(level[20 - shift :][:FRAMES], 4)[3:, None].repeat(80, 1)
    return frames, mel


def score(frames, mel, boxes=BOXES, first=10, length=50) -> dict:
    faces = face_embeddings(Reader(), frames[first : first + length], boxes[first : first + length])
    sounds = sound_embeddings(Reader(), mel, first - REACH, length - 4 + 2 * REACH, FRAMES)
    return scores(faces, sounds)


@pytest.mark.parametrize("shift", [-9, -1, 0, 4, 15])
def test_a_known_shift_is_found(shift):
    found = score(*planted(shift))
    assert found["sync_offset"] == shift
    assert found["sync_hit"] == float(abs(shift) <= 1)
    assert found["sync_d"] == pytest.approx(0, abs=1e-3)
    assert found["sync_c"] > 0.5


def test_unrelated_sound_scores_worse():
    frames, mel = planted(0)
    noise = np.random.default_rng(1).uniform(0, 1, mel.shape).astype(np.float32)
    right, wrong = score(frames, mel), score(frames, noise.mean(1, keepdims=True).repeat(80, 1))
    assert wrong["sync_c"] < right["sync_c"] / 2
    assert wrong["sync_d"] > right["sync_d"] + 0.3


def test_windows_without_a_face_do_not_count():
    frames, mel = planted(3)
    boxes, spoilt = BOXES.copy(), frames.clone()
    boxes[30:35], spoilt[30:35] = 0, 1
    assert score(spoilt, mel, boxes)["sync_offset"] == 3
    assert score(spoilt, mel, boxes)["sync_d"] == pytest.approx(0, abs=1e-3)
    assert score(spoilt, mel)["sync_d"] > 0.01
    boxes[:] = 0
    assert all(np.isnan(v) for v in score(frames, mel, boxes).values())


def test_a_clip_that_is_too_short_has_no_score():
    frames, mel = planted(0)
    faces = face_embeddings(Reader(), frames[:12], BOXES[:12])
    assert all(np.isnan(v) for v in scores(faces, sound_embeddings(Reader(), mel, -REACH, 8 + 2 * REACH, 12)).values())
    with pytest.raises(ValueError, match="no window"):
        sound_embeddings(Reader(), mel, 0, 4, 4)


def test_the_file_of_a_trained_expert_is_loaded(tmp_path):
    torch.save({"model": SyncNet(4).state_dict(), "width": 4, "times": 5}, tmp_path / "sync.pt")
    expert = load_expert(tmp_path / "sync.pt")
    assert not expert.training
    frames, mel = planted(0)
    faces = face_embeddings(expert, frames[:7], BOXES[:7])
    assert faces.shape == sound_embeddings(expert, mel, 0, 3, FRAMES).shape == (3, 256)
    torch.save({"model": {}}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    for name in ("other.pt", "text.pt"):
        with pytest.raises(ValueError, match=name):
            load_expert(tmp_path / name)
