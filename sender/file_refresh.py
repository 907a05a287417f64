"""Further keyframes in a ``.fw`` file where the sender's own mirror finds them better, as many as a rate allows."""

from pathlib import Path

from codec.bundle import Bundle
from codec.keyframe import QUALITY
from models.runtime.upsampler import Interpolator, Upsampler
from sender.keyframes.refresh import Refresh
from sender.stream import SenderStream

CHECK_MS = 600
"""Milliseconds between two looks: less than in a call, because a file isn't encoded in real time."""


class FileRefresh:
    """Follows a stream that is written to a file; a keyframe that is written counts as held at once."""

    def __init__(
        self, kbps: float, quality: int = QUALITY, weights: Path | None = None, device: str = "auto", check_ms: int = CHECK_MS,
        upsampler: Upsampler | None = None, shape: bool = True,
    ) -> None:  # fmt: skip
        """``kbps``: what keyframes after the first may cost on average, in kbit/s; ``shape``: they
        carry their face's points, as the stream's do. Raises ``WeightsMissingError``."""
        self.refresh = Refresh(upsampler or Upsampler(weights, device), Interpolator(weights), quality, check_ms, shape)
        self._kbps, self._first = kbps, 0
        self.slots: list[int] = []

    def after(self, stream: SenderStream, bundle: Bundle) -> None:
        """Call it after each bundle; it may set another keyframe for the next one."""
        self._first = self._first or stream.count.keyframe_bytes
        newest = len(stream.keyframes.newest.data) if stream.keyframes.newest else 0
        spent = stream.count.keyframe_bytes - self._first
        may_send = (spent + newest) * 8e-3 <= self._kbps * stream.count.seconds
        held = stream.keyframes.held
        advice = self.refresh.tick(stream.at_ms - bundle.tick_ms, bundle.tick_ms, bundle, stream.seen, held.limited(may_send))
        if advice and advice.slot is not None:
            stream.keyframes.use(advice.slot)
        elif advice and advice.keyframe:
            stream.keyframes.set(advice.keyframe)
