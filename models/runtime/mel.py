"""Log-mel spectrogram in numpy: 80 bands, 25 ms window, 10 ms hop, 16 kHz (paper section 3.1.2).

Frame ``m`` covers the samples ``[160 m - 400, 160 m)``: it ends at time ``m / 100`` s, so everything up to
a tick's end at ``t`` seconds is known once the sound up to ``t`` is.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from codec.media.timing import RATE
from codec.media.types import Float32

HOP = 160
WINDOW = 400
FFT = 512
BANDS = 80
WINDOW_FRAMES = 20
"""Mel frames given to the network for one video frame: 200 ms, as long as the five pictures."""
LOOKAHEAD_FRAMES = 8
"""How many of them are after the video frame's own time."""


@cache
def _filterbank() -> Float32:
    def to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 2595.0 * np.log10(1.0 + hz / 700.0)

    edges = np.linspace(to_mel(np.array(55.0)), to_mel(np.array(7600.0)), BANDS + 2)
    edges = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    up = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(up, down)).astype(np.float32)


SILENCE = -1.0
"""Log-mel of silence, see :func:`models.runtime.mel.log_mel`."""


def log_mel(samples: Float32) -> Float32:
    """Mono 16 kHz samples (n,) in [-1, 1] → (n // 160 + 1, 80), about [-1, 1]; silence is -1.

    Frame 0 lies wholly before the first sample and is silence.
    """
    count = len(samples) // HOP + 1
    padded = np.concatenate([np.zeros(WINDOW, np.float32), samples.astype(np.float32)])
    index = np.arange(WINDOW)[None] + HOP * np.arange(count)[:, None]
    frames = padded[index] * np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, FFT, axis=1)).astype(np.float32) ** 2
    mel = power @ _filterbank().T
    decibel = 10.0 * np.log10(np.maximum(mel, 1e-8))
    return np.clip((decibel + 80.0) / 50.0 - 1.0, -1.0, 2.0).astype(np.float32)


def window_rows(mel: Float32, row: int, newest: int) -> Float32:
    """The network's speech input (20, 80) around mel row ``row``, when rows up to ``newest`` are known.

    Rows past ``newest`` repeat it; rows before the first are silence.
    """
    index = np.arange(row + LOOKAHEAD_FRAMES + 1 - WINDOW_FRAMES, row + LOOKAHEAD_FRAMES + 1)
    newest = min(newest, len(mel) - 1)
    if newest < 0:
        return np.full((WINDOW_FRAMES, BANDS), -1.0, np.float32)
    window = mel[np.clip(index, 0, newest)].copy()
    window[index < 0] = -1.0
    return window


def window_at(mel: Float32, frame: int, newest: int, frame_rate: int = 25) -> Float32:
    """The speech input for video frame ``frame`` of a clip, when the sound is known up to frame
    ``newest`` (its tick's end)."""
    per_frame = 100 // frame_rate
    return window_rows(mel, frame * per_frame, newest * per_frame)
