"""The speech input: the time that each row covers, and that nothing after the tick's end is used."""

import numpy as np
import pytest

from models.runtime.mel import BANDS, HOP, LOOKAHEAD_FRAMES, WINDOW, WINDOW_FRAMES, log_mel, window_at


@pytest.fixture
def rows():
    """A spectrogram whose row m is filled with m."""
    return np.repeat(np.arange(100, dtype=np.float32)[:, None], BANDS, 1)


def test_row_count_and_silence():
    quiet = log_mel(np.zeros(16_000, np.float32))
    assert quiet.shape == (101, BANDS)
    assert (quiet == -1).all()


def test_row_ends_at_its_own_time():
    sound = np.zeros(16_000, np.float32)
    sound[8000:] = np.random.default_rng(0).standard_normal(8000) * 0.1
    heard = (log_mel(sound) > -1).any(1)
    first = int(np.argmax(heard))
    assert first * HOP > 8000 >= (first - 2) * HOP
    assert heard[first:].all()


def test_a_row_does_not_depend_on_later_sound():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(8000).astype(np.float32) * 0.1
    b = a.copy()
    b[20 * HOP :] = 0
    assert np.array_equal(log_mel(a)[:21], log_mel(b)[:21])
    assert not np.array_equal(log_mel(a)[22], log_mel(b)[22])


def test_a_tone_appears_in_its_own_band():
    t = np.arange(16_000) / 16_000
    low, high = (int(log_mel(np.sin(2 * np.pi * f * t).astype(np.float32))[50].argmax()) for f in (200, 3000))
    assert low < 15 < 40 < high


def test_the_window_is_around_the_frame(rows):
    window = window_at(rows, 10, 15)
    assert window.shape == (WINDOW_FRAMES, BANDS)
    assert window[:, 0].tolist() == list(range(40 + LOOKAHEAD_FRAMES + 1 - WINDOW_FRAMES, 40 + LOOKAHEAD_FRAMES + 1))


@pytest.mark.parametrize("frame", range(11, 16))
def test_window_never_looks_past_the_tick(rows, frame):
    assert window_at(rows, frame, 15).max() == min(15 * 4, frame * 4 + LOOKAHEAD_FRAMES)
    later = rows.copy()
    later[61:] = np.nan
    assert np.array_equal(window_at(later, frame, 15), window_at(rows, frame, 15))


def test_the_last_known_row_is_repeated(rows):
    assert window_at(rows, 15, 15)[-9:, 0].tolist() == [60.0] * 9
    assert window_at(rows, 24, 30)[-1, 0] == 99  # also at the end of the clip


def test_before_the_start_is_silence(rows):
    window = window_at(rows, 0, 5)
    assert (window[:11] == -1).all()
    assert window[11:, 0].tolist() == list(range(9))


def test_no_sound_is_silence():
    assert (window_at(np.zeros((0, BANDS), np.float32), 3, 5) == -1).all()


def test_window_is_a_copy(rows):
    window_at(rows, 10, 15)[:] = 7
    assert rows[40, 0] == 40


def test_window_covers_five_pictures():
    assert WINDOW_FRAMES * HOP == 5 * 16_000 // 25
    assert WINDOW == 400
