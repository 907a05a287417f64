"""Speech is distinguished from silence and noise."""

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import file_sound
from codec.media.timing import RATE
from sender.vad import HOLD, VoiceActivity

TICK = RATE // 5


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return np.concatenate(list(file_sound(shipped_clip())))[: RATE * 10]


def heard(sound: np.ndarray) -> list[bool]:
    voice = VoiceActivity()
    return [voice.is_speaking(sound[i : i + TICK].astype(np.float32)) for i in range(0, len(sound) - TICK + 1, TICK)]


@pytest.mark.parametrize("loudness", [1.0, 0.1, 1 / 30])
def test_speech_is_detected_over_background_noise(speech, loudness):
    noisy = speech * loudness + np.random.default_rng(0).normal(0, 1e-3, len(speech))
    assert np.mean(heard(noisy)) > 0.9


@pytest.mark.parametrize("loudness", [0.0, 1e-4, 1e-3, 1e-2])
def test_silence_and_noise_are_not_speech(loudness):
    noise = np.random.default_rng(1).normal(0, loudness, RATE * 10)
    assert np.mean(heard(noise)[5:]) < 0.1


def test_the_end_of_a_word_is_not_cut_off(speech):
    told = heard(np.concatenate([speech[RATE : 3 * RATE], np.zeros(2 * RATE)]))
    assert all(told[:10])
    assert told[10 : 10 + round(HOLD * 5)] == [True] * round(HOLD * 5)
    assert not any(told[13:])
