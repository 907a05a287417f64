"""Speech ↔ Opus packets (RFC 6716) through libopus, mono at 16 kHz, with concealment of lost packets."""

from typing import Any

import numpy as np

from codec.media.timing import RATE
from codec.media.types import Float32
from codec.opus_library import prefer_bundled_opus

MIN_BITRATE = 6_000
MAX_BITRATE = 24_000
LOOKAHEAD = 104
"""Samples by which sound decoded by libopus at 16 kHz lags the encoder's input: 6.5 ms, as
:attr:`SpeechEncoder.lookahead` reports."""
PACKET_MS = {200: 100, 100: 100, 60: 60}
"""Length of an Opus packet by the tick's length, both in milliseconds: long packets have the least overhead."""
MAX_PACKET_MS = 120
"""The longest Opus packet (RFC 6716 section 2.1.4)."""


class SpeechUnavailableError(RuntimeError):
    """libopus is not on this machine; the message says what to install."""


def load_opus() -> Any:
    """The binding's module. Raises :class:`SpeechUnavailableError`."""
    try:
        with prefer_bundled_opus():
            import opuslib_next
    except Exception as error:  # the binding raises a bare Exception when libopus is missing
        raise SpeechUnavailableError(
            "libopus is missing: PyAV's wheels include it (pip install --force-reinstall av); or apt-get install libopus0"
        ) from error
    return opuslib_next


class SpeechEncoder:
    """Mono 16 kHz speech, variable bit rate, discontinuous transmission in silence (DTX), packets
    of 60 or 100 ms."""

    def __init__(self, bitrate: int = 6_000, tick_ms: int = 200) -> None:
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

    @property
    def lookahead(self) -> int:
        """Samples by which the decoder's output lags the input."""
        return int(self._encoder.lookahead)

    def set_tick(self, tick_ms: int) -> None:
        """Packets for ticks of another length from now on: 200, 100 or 60 ms."""
        self.packet_samples = RATE * PACKET_MS[tick_ms] // 1000

    def set_bitrate(self, bitrate: int) -> None:
        self._encoder.bitrate = bitrate

    def encode(self, samples: Float32) -> tuple[bytes, ...]:
        """Samples (a whole number of packets) in [-1, 1] → packets. Raises ``ValueError`` for another length."""
        if len(samples) % self.packet_samples:
            raise ValueError(f"{len(samples)} samples are not a whole number of {self.packet_samples}")
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        size = self.packet_samples
        return tuple(bytes(self._encoder.encode(pcm[i : i + size].tobytes(), size)) for i in range(0, len(pcm), size))


class SpeechDecoder:
    """Decodes mono 16 kHz speech. Invalid packets are concealed like lost ones and counted in :attr:`bad`."""

    def __init__(self) -> None:
        opus = load_opus()
        self._error = opus.OpusError
        self._decoder = opus.Decoder(RATE, 1)
        self.bad = self.concealed = 0

    def _pcm(self, data: bytes, samples: int) -> Float32:
        raw = self._decoder.decode(data, samples)
        return np.frombuffer(bytes(raw), "<i2").astype(np.float32) / 32768.0

    def decode(self, packets: tuple[bytes, ...], samples: int) -> Float32:
        """A tick's packets → exactly ``samples`` samples, all of them concealed if there is no packet."""
        if not packets:
            return self.conceal(samples)
        out = []
        for packet in packets:
            try:
                # For an empty packet libopus conceals the part of the tick that it stands for.
                wanted = RATE * MAX_PACKET_MS // 1000 if packet else samples // len(packets)
                out.append(self._pcm(packet, wanted))
            except self._error:
                self.bad += 1
                out.append(self.conceal(samples // len(packets)))
        sound = np.concatenate(out)[:samples]
        return np.pad(sound, (0, samples - len(sound)))

    def conceal(self, samples: int) -> Float32:
        """``samples`` samples in place of lost ones (packet loss concealment, fades to silence)."""
        self.concealed += 1
        out, left = [], samples
        while left > 0:
            # libopus conceals whole multiples of 2.5 ms, at most 120 ms at a time.
            size = min(left, RATE * MAX_PACKET_MS // 1000)
            size = max(40, size // 40 * 40)
            try:
                out.append(self._pcm(b"", size))
            except self._error:
                out.append(np.zeros(size, np.float32))
            left -= size
        return np.concatenate(out)[:samples] if out else np.zeros(0, np.float32)
