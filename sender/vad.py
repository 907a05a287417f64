"""Voice activity: tells speech from silence, in which a call costs next to nothing.

WebRTC's voice activity detector is used. Opus's own discontinuous transmission fails with the slightest
noise: at −80 dBFS it sends 3.8 kbit/s of noise.
"""

import numpy as np
import webrtcvad

from codec.media.timing import RATE
from codec.media.types import Float32

FRAME = RATE // 50
"""Samples that the detector judges at a time: 20 ms."""
LEAST = 2
"""Fewer frames of speech than this in a tick may be a click, and don't count."""
HOLD = 0.4
"""Seconds for which speech counts as continuing after it was last detected: the ends of words are quiet."""


class VoiceActivity:
    """Pass it the sound of each tick in order; it decides whether that must be sent."""

    def __init__(self) -> None:
        self._detector = webrtcvad.Vad(2)
        self._left = 0

    def is_speaking(self, samples: Float32) -> bool:
        """Mono 16 kHz samples of a tick in [-1, 1], whole frames of 20 ms → whether somebody
        speaks, or spoke a moment ago."""
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        frames = [pcm[i : i + FRAME].tobytes() for i in range(0, len(pcm) - FRAME + 1, FRAME)]
        if sum(self._detector.is_speech(frame, RATE) for frame in frames) >= LEAST:
            self._left = round(HOLD * RATE)
            return True
        speaking = self._left > 0
        self._left -= len(pcm)
        return speaking
