"""The user's own preview: what the peer sees, rendered from the same bundles that are sent, one frame a tick."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from codec.bundle import TICK_MODES, Bundle
from codec.keyframe import Keyframe
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.presenter import GREY
from receiver.tick_decoder import TickDecoder


class Preview:
    """Renders in a separate thread; a tick that comes while one is being rendered is decoded but not shown."""

    def __init__(self, upsampler: Upsampler, interpolator: Interpolator, show: Callable[[UInt8], None]) -> None:
        """``show`` is called on the event loop with RGB (256, 256, 3)."""
        self._upsampler, self._show = upsampler, show
        self._decoder, self._at_ms, self._tick_ms = TickDecoder(interpolator), 0, TICK_MODES[0]
        self._pool = ThreadPoolExecutor(1, "preview")
        self._keyframes: dict[int, Keyframe] = {}
        self._drawn: Keyframe | None = None
        self._waiting = 0

    def bundle(self, bundle: Bundle | None, keyframes: Mapping[int, Keyframe]) -> None:
        """A bundle as sent, with the keyframes by slot that it may refer to; None for a tick that was left out."""
        self._waiting += 1
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._pool, self._work, loop, bundle, keyframes)

    def _work(self, loop: asyncio.AbstractEventLoop, bundle: Bundle | None, keyframes: Mapping[int, Keyframe]) -> None:
        self._waiting -= 1
        for slot, keyframe in keyframes.items():
            if self._keyframes.get(slot) is not keyframe:
                self._keyframes[slot] = keyframe
                self._decoder.set_keyframe(slot, keyframe.thumbnail, keyframe.points)
        if bundle is not None:
            self._decoder.arrived(bundle)
            self._tick_ms = bundle.tick_ms
        output = self._decoder.tick(self._at_ms, self._tick_ms, bundle)
        self._at_ms += self._tick_ms
        if output.hidden:
            loop.call_soon_threadsafe(self._show, GREY)
        elif output.frames and (bundle is None or bundle.picture is not None) and not self._waiting:
            frame = output.frames[-1]
            drawn = self._keyframes.get(frame.slot)
            if drawn is None:
                return
            if drawn is not self._drawn:
                self._drawn = drawn
                self._upsampler.set_identity(drawn.rgb)
            rgb = self._upsampler.step(*frame.inputs)
            loop.call_soon_threadsafe(self._show, rgb)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
