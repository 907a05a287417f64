"""The sound of a clip is shifted, and nothing else."""

import numpy as np
import pytest

from bench.demo import shipped_clip
from bench.shift_sound import shift_sound
from codec.media.files import file_frames, file_sound


def envelope(sound: np.ndarray) -> np.ndarray:
    return np.convolve(np.abs(sound), np.ones(160) / 160, "same")[::16]


@pytest.mark.parametrize("late", [3, -4])
def test_sound_is_shifted_and_pictures_are_unchanged(tmp_path, late):
    clip = shipped_clip()
    moved = shift_sound(clip, late, tmp_path)
    a, b = (np.concatenate(list(file_sound(p))) for p in (clip, moved))
    x, y = envelope(a)[: 16000 * 4 // 16], envelope(b)[: 16000 * 4 // 16]
    shifts = np.arange(-300, 301)  # ms
    inner = slice(400, len(x) - 400)
    like = [np.corrcoef(np.roll(x, s)[inner], y[inner])[0, 1] for s in shifts]
    assert shifts[int(np.argmax(like))] == pytest.approx(-40 * late, abs=3)
    assert max(like) > 0.99
    first, second = (list(file_frames(p)) for p in (clip, moved))
    assert len(first) == len(second)
    assert all(np.array_equal(p, q) for p, q in zip(first[::25], second[::25], strict=True))


def test_a_clip_in_sync_is_left_unchanged(tmp_path):
    assert shift_sound(shipped_clip(), 0, tmp_path) == shipped_clip()
