"""Sound is shortened or lengthened by whole periods."""

import numpy as np
import pytest

from codec.media.timing import RATE
from receiver.stretch import PERIODS, fit


def voice(seconds: float, pitch: float = 120.0) -> np.ndarray:
    """Harmonics of a slowly falling pitch, like a vowel."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (pitch * t - 3 * t**2)
    return (sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2).astype(np.float32)


def main_frequency(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 16))
    return float(spectrum.argmax()) * RATE / (1 << 16)


@pytest.mark.parametrize("change", [-480, -320, 320, 480])
def test_a_voice_keeps_its_pitch_and_has_no_clicks(change):
    sound = voice(0.2)
    found = fit(sound, change)
    moved = len(found) - len(sound)
    assert moved * change > 0
    assert abs(change) - PERIODS[1] < abs(moved) <= abs(change)
    assert main_frequency(found) == pytest.approx(main_frequency(sound), rel=0.03)
    # The steepest step is not steeper than those of the voice itself.
    assert np.abs(np.diff(found)).max() < 1.1 * np.abs(np.diff(sound)).max()
    assert found[0] == sound[0]
    assert found[-1] == sound[-1]


@pytest.mark.parametrize("change", [-320, -77, 77, 320])
def test_silence_changes_by_exactly_the_requested_length(change):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.001, 3200).astype(np.float32)
    assert len(fit(sound, change)) == 3200 + change


def test_pauses_in_speech_are_shortened_first():
    sound = np.concatenate([voice(0.1), np.zeros(1600, np.float32)])
    found = fit(sound, -240)
    assert len(found) == 3200 - 240
    np.testing.assert_array_equal(found[:1500], sound[:1500])


def test_noise_and_very_short_sound_are_unchanged():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.2, 3200).astype(np.float32)
    assert fit(noise, -320) is noise
    short = voice(0.02)
    assert fit(short, -100) is short
    assert fit(noise, 20) is noise  # shorter than any period
    assert len(fit(np.zeros(0, np.float32), -100)) == 0
