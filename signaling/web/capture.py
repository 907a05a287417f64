"""The page's camera and microphone: pictures and sound that a browser window sends over a WebSocket
(``/capture``).

A message begins with a byte that gives its kind. Kind 1 is a JPEG picture. Kind 2 is the sampling
rate (4 bytes, big-endian) and mono samples of 16 bits, little-endian. The browser runs on this
machine, but its messages are checked as if they came from a network.
"""

import asyncio
import io
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from aiohttp import WSMsgType, web
from PIL import Image

from codec.media.types import UInt8
from sender.capture.page import PushedSound, PushedVideo
from signaling.static_files import json_error

log = logging.getLogger(__name__)


PICTURE = 1
SOUND = 2
MAX_MESSAGE = 1_048_576
SIDE_MAX = 2048
"""Pixels: a picture with a longer side isn't decoded."""
TAKEN_OVER = 4000
"""Close code: another window has taken over."""


class CaptureError(ValueError):
    """A message that is neither a picture nor sound."""


def decode_picture(data: bytes) -> UInt8:
    """JPEG → RGB (H, W, 3). Its size is checked before it is decoded. Raises :class:`CaptureError`."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if max(image.size) > SIDE_MAX or min(image.size) < 8:
                raise CaptureError(f"a picture of {image.size[0]}x{image.size[1]} pixels")
            return np.asarray(image.convert("RGB"), np.uint8)
    except CaptureError:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files
        raise CaptureError(f"not a JPEG picture: {type(error).__name__}") from error


def decode_sound(data: bytes) -> tuple[npt.NDArray[np.int16], int]:
    """(samples (N,), rate in Hz). Raises :class:`CaptureError`."""
    if len(data) < 4 or len(data) % 2:
        raise CaptureError("sound message of a wrong length")
    return np.frombuffer(data, "<i2", offset=4).astype(np.int16), int.from_bytes(data[:4], "big")


class Capture:
    """What a browser window captures. A part that is not taken from the window is None."""

    def __init__(self, camera: PushedVideo | None, microphone: PushedSound | None) -> None:
        self.camera, self.microphone = camera, microphone
        self._window: web.WebSocketResponse | None = None
        self._pool = ThreadPoolExecutor(1, "capture")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle GET ``/capture``. Only the newest window is used; :data:`TAKEN_OVER` closes the one before."""
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=MAX_MESSAGE, timeout=2.0, compress=False)
        if not socket.can_prepare(request).ok:
            return json_error(426, "upgrade_required", "this address speaks WebSocket only")
        await socket.prepare(request)
        before, self._window = self._window, socket
        if before is not None:
            await before.close(code=TAKEN_OVER, message=b"another window")
        decoding: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.BINARY or not message.data or self._window is not socket:
                    continue
                kind, body = message.data[0], message.data[1:]
                if kind == SOUND and self.microphone:
                    self._hear(body)
                elif kind == PICTURE and self.camera and (decoding is None or decoding.done()):
                    decoding = asyncio.create_task(self._see(body))  # pictures that arrive meanwhile are dropped
        except (ConnectionError, RuntimeError):
            log.debug("a capturing window has disconnected", exc_info=True)
        finally:
            if self._window is socket:
                self._window = None
        return socket

    def _hear(self, body: bytes) -> None:
        assert self.microphone
        try:
            self.microphone.put(*decode_sound(body))
        except ValueError as error:
            log.warning("capture: %s", error)

    async def _see(self, body: bytes) -> None:
        assert self.camera
        try:
            self.camera.put(await asyncio.get_running_loop().run_in_executor(self._pool, decode_picture, body))
        except CaptureError as error:
            log.warning("capture: %s", error)
        except RuntimeError:
            log.debug("a picture arrived after capture had ended")

    async def close(self) -> None:
        """Disconnect the window."""
        if self._window is not None:
            await self._window.close(code=1001)
        self._pool.shutdown(wait=False, cancel_futures=True)
