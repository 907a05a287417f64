"""A call's sound for its page, over a WebSocket (``/sound?rate=48000``): mono samples of 16 bits,
little-endian.

RTP is not used on one machine: a browser's jitter buffer and its 20 ms packets would delay the
sound by a tenth of a second (``bench.calls.delay --page``). A tick's sound is sent as one message
when it is due, and the page plays it at once.
"""

import asyncio
import contextlib
import logging

import av
import numpy as np
from aiohttp import web

from codec.media.timing import RATE
from codec.media.types import Float32
from receiver.outputs.page_audio import AudioBroadcast
from sender.capture.page import RATES
from signaling.static_files import json_error

log = logging.getLogger(__name__)


MAX_LISTENERS = 4
"""Windows that may play the sound at the same time."""


class PcmAt:
    """Sound at 16 kHz → bytes at another rate, piece by piece."""

    def __init__(self, rate: int) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)

    def __call__(self, samples: Float32) -> bytes:
        """Mono samples (N,) in −1…1 → 16 bits, little-endian; the last millisecond may come with the next piece."""
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE
        return b"".join(piece.to_ndarray()[0].astype("<i2").tobytes() for piece in self._resampler.resample(frame))


class PageSound:
    """Serves a :class:`receiver.outputs.page_audio.AudioBroadcast` to the page's windows."""

    def __init__(self, voice: AudioBroadcast) -> None:
        self._voice = voice
        self._sockets: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/sound``: 400 for an invalid rate, 426 for no WebSocket, 503 over :data:`MAX_LISTENERS`."""
        text = request.query.get("rate", "")
        rate = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
        if rate not in RATES:
            return json_error(400, "bad_rate", f"rate must be {RATES.start} to {RATES.stop - 1} Hz")
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=256, timeout=2.0, compress=False)
        if not socket.can_prepare(request).ok:
            return json_error(426, "upgrade_required", "this address speaks WebSocket only")
        if len(self._sockets) >= MAX_LISTENERS:
            return json_error(503, "too_many_listeners", f"{MAX_LISTENERS} windows play this call already")
        self._sockets.add(socket)
        playing: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            playing = asyncio.create_task(self._play(socket, PcmAt(rate)))
            async for _ in socket:
                pass  # a window sends nothing here; the loop ends when it disconnects
        except (ConnectionError, RuntimeError):
            log.debug("a listening window has disconnected", exc_info=True)
        finally:
            self._sockets.discard(socket)
            if playing:
                playing.cancel()
        return socket

    async def _play(self, socket: web.WebSocketResponse, pcm: PcmAt) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            async for samples in self._voice.listen():
                await socket.send_bytes(pcm(samples))

    async def close(self) -> None:
        """Disconnect all windows."""
        self._voice.stop()
        for socket in tuple(self._sockets):
            await socket.close(code=1001)
