"""Opus packets that the page joins from single frames: libopus decodes them to exactly the same samples."""

import numpy as np
import pytest

from codec.media.files import file_sound
from codec.media.timing import RATE
from codec.media.types import Float32
from codec.speech import SpeechDecoder, SpeechEncoder
from tests.signaling.web.peer.conftest import Browser

FRAME = RATE // 50


@pytest.fixture(scope="module")
def speech(clip) -> Float32:
    return np.concatenate(list(file_sound(clip)))[RATE : 3 * RATE]


def frames_of(sound: Float32, bitrate: int) -> list[bytes]:
    """Packets of 20 ms."""
    encoder = SpeechEncoder()
    encoder.packet_samples = FRAME
    encoder.set_bitrate(bitrate)
    return list(encoder.encode(sound))


def joined(browser: Browser, packets: list[bytes]) -> list[bytes]:
    return [bytes.fromhex(p) for p in browser.ask("joined", packets=[p.hex() for p in packets])]


@pytest.mark.parametrize("bitrate", [6_000, 24_000, 200_000])
def test_five_frames_are_joined_to_one_packet_with_the_same_sound(browser: Browser, speech: Float32, bitrate: int) -> None:
    frames, whole = frames_of(speech, bitrate), SpeechDecoder()
    apart, packets = SpeechDecoder(), 0
    assert bitrate < 200_000 or max(map(len, frames)) > 252  # some lengths take two bytes
    for at in range(0, len(frames), 5):
        five = frames[at : at + 5]
        found = joined(browser, five)
        packets += len(found) == 1
        assert np.array_equal(whole.decode(tuple(found), 5 * FRAME), apart.decode(tuple(five), 5 * FRAME))
        if len(found) == 1:
            assert len(found[0]) <= sum(map(len, five)) + 5
    assert packets > len(frames) / 5 * 0.8
    assert whole.bad == apart.bad == 0


def test_frames_with_different_settings_are_not_joined(browser: Browser, speech: Float32) -> None:
    low, high = frames_of(speech[:FRAME], 6_000)[0], frames_of(speech[:FRAME], 200_000)[0]
    assert low[0] != high[0]
    for packets in ([low, high], [low, b""], [low], []):
        assert joined(browser, packets) == packets
    once = joined(browser, [low, low])
    assert len(once) == 1
    assert joined(browser, [*once, *once]) == [*once, *once]  # packets of several frames are not joined again
