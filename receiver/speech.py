"""Opus packets → speech, with concealment of what was lost."""

import numpy as np
import numpy.typing as npt

from sender.speech import RATE, load_opus

Float32 = npt.NDArray[np.float32]

MAX_PACKET_MS = 120
"""The longest Opus packet (RFC 6716 section 2.1.4)."""


class SpeechDecoder:
    """Mono 16 kHz. Bytes that are no Opus packet are concealed like lost ones and counted in :attr:`bad`."""

    def __init__(self) -> None:
        opus = load_opus()
        self._error = opus.OpusError
        self._decoder = opus.Decoder(RATE, 1)
        self.bad = self.concealed = 0

    def _pcm(self, data: bytes, samples: int) -> Float32:
        raw = self._decoder.decode(data, samples)
        return np.frombuffer(bytes(raw), "<i2").astype(np.float32) / 32768.0

    def decode(self, packets: tuple[bytes, ...], samples: int) -> Float32:
        """A tick's packets → exactly ``samples`` samples; none means silence kept up by concealment."""
        if not packets:
            return self.conceal(samples)
        out = []
        for packet in packets:
            try:
                # An empty packet asks libopus for concealment, of the share of the tick that it stood for.
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
