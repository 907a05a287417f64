"""Speech → Opus packets (RFC 6716) through libopus."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sender.opus_library import offered

Float32 = npt.NDArray[np.float32]

RATE = 16_000
MIN_BITRATE, MAX_BITRATE = 6_000, 24_000
LOOKAHEAD = 104
"""Samples by which what libopus decodes at 16 kHz lags what was encoded: 6.5 ms, as :attr:`SpeechEncoder.lookahead` tells."""
PACKET_MS = {200: 100, 100: 100, 60: 60}
"""Length of an Opus packet by the tick's length, both in milliseconds: long packets waste least."""


class SpeechUnavailableError(RuntimeError):
    """libopus is not on this machine; the message says what to install."""


def load_opus() -> Any:
    """The binding's module. Raises :class:`SpeechUnavailableError`."""
    try:
        with offered():
            import opuslib_next
    except Exception as error:  # the binding raises a bare Exception when libopus is missing
        raise SpeechUnavailableError(
            "libopus is missing: PyAV's wheels bring it (pip install --force-reinstall av); or apt-get install libopus0"
        ) from error
    return opuslib_next


class SpeechEncoder:
    """Mono 16 kHz speech, variable bit rate, discontinuous transmission in silence (DTX), packets of 60 or 100 ms."""

    def __init__(self, bitrate: int = 6_000, tick_ms: int = 200, loss_percent: int = 0) -> None:
        """``bitrate`` in bit/s, 6000..24000. Raises ``ValueError`` outside that."""
        if not MIN_BITRATE <= bitrate <= MAX_BITRATE:
            raise ValueError(f"bitrate {bitrate} is outside {MIN_BITRATE}..{MAX_BITRATE}")
        opus = load_opus()
        self.set_tick(tick_ms)
        self._encoder = opus.Encoder(RATE, 1, "voip")
        self._encoder.signal = opus.SIGNAL_VOICE
        self._encoder.vbr = 1
        self._encoder.complexity = 8
        self._encoder.dtx = 1
        self.set_bitrate(bitrate)
        self.set_loss(loss_percent)

    @property
    def lookahead(self) -> int:
        """Samples by which the decoder's output lags the input."""
        return int(self._encoder.lookahead)

    def set_tick(self, tick_ms: int) -> None:
        """Packets for ticks of another length from now on: 200, 100 or 60 ms."""
        self.packet_samples = RATE * PACKET_MS[tick_ms] // 1000

    def set_bitrate(self, bitrate: int) -> None:
        self._encoder.bitrate = bitrate

    def set_loss(self, percent: int) -> None:
        """Expected loss, 0..100: over zero the encoder adds in-band forward error correction (LBRR)."""
        self._encoder.packet_loss_perc = percent
        self._encoder.inband_fec = int(percent > 0)

    def encode(self, samples: Float32) -> tuple[bytes, ...]:
        """Samples (a whole number of packets) in [-1, 1] → packets. Raises ``ValueError`` for a broken length."""
        if len(samples) % self.packet_samples:
            raise ValueError(f"{len(samples)} samples are not a whole number of {self.packet_samples}")
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        size = self.packet_samples
        return tuple(bytes(self._encoder.encode(pcm[i : i + size].tobytes(), size)) for i in range(0, len(pcm), size))
