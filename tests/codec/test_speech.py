"""Opus settings must have an effect, not just be accepted."""

from pathlib import Path

import numpy as np
import pytest

from codec.media.files import file_sound
from codec.media.timing import RATE
from codec.speech import SpeechDecoder, SpeechEncoder


def voice(seconds: float = 4.0) -> np.ndarray:
    """A vowel-like sound: harmonics of 120 Hz under a slow envelope."""
    t = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
    return (0.15 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


@pytest.mark.parametrize("bitrate", [6_000, 12_000, 24_000])
def test_the_bitrate_is_kept(bitrate: int) -> None:
    packets = SpeechEncoder(bitrate).encode(voice())
    rate = sum(map(len, packets)) * 8 / 4.0
    assert 0.5 * bitrate < rate < 1.25 * bitrate


def test_silence_takes_less_than_600_bit_s() -> None:
    encoder = SpeechEncoder(6_000)
    encoder.encode(voice(1.0))
    packets = encoder.encode(np.zeros(4 * RATE, np.float32))
    assert sum(map(len, packets[10:])) * 8 / 3.0 < 600


def test_the_number_of_packets_depends_on_the_tick_length() -> None:
    assert len(SpeechEncoder(6_000, 200).encode(voice(0.2))) == 2
    assert len(SpeechEncoder(6_000, 60).encode(voice(0.06))) == 1


def test_decoded_speech_resembles_the_original_and_lags_by_the_lookahead(clip: Path) -> None:
    sound = np.concatenate(list(file_sound(clip)))[: 6 * RATE]
    encoder, decoder = SpeechEncoder(24_000), SpeechDecoder()
    heard = np.concatenate([decoder.decode(encoder.encode(sound[i : i + 3200]), 3200) for i in range(0, len(sound), 3200)])
    assert len(heard) == len(sound)
    alike = {lag: np.corrcoef(sound[8000:-400], heard[8000 + lag : len(heard) - 400 + lag])[0, 1] for lag in range(0, 400, 8)}
    best = max(alike, key=lambda lag: alike[lag])
    assert best == encoder.lookahead
    assert alike[best] > 0.9


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="bitrate"):
        SpeechEncoder(5_000)
    with pytest.raises(ValueError, match="whole number"):
        SpeechEncoder().encode(np.zeros(7, np.float32))
