"""A record of a call of any length: how bright its frames are and how loud its sound is, and when.
Used to measure delay and sync."""

from array import array
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.bundle import Bundle
from codec.media.timing import FRAME_RATE, RATE
from codec.media.types import Float32, Float64, UInt8
from receiver.player import Player
from sender.stream import SenderStream

HOP = RATE // 200
"""Samples per loudness value: 5 ms."""


def loudness(sound: npt.NDArray[np.floating]) -> Float64:
    """Sound (N,), 16 kHz → mean absolute value of every 5 ms."""
    whole = np.abs(sound[: len(sound) // HOP * HOP].astype(np.float64)).reshape(-1, HOP)
    return np.asarray(whole.mean(1), np.float64)


class LightTrace:
    """Writes ``light-sent.npz`` and ``light-shown.npz`` into a folder when closed; keeps 1.1 KB a second.

    Times are ``time.monotonic`` seconds. ``captured``, ``light``: time and mean brightness (0 to 255)
    of the sender's crops. ``shown``, ``light``: the same of the receiver's frames. ``heard``,
    ``loud``: time and loudness of its sound, a value every 5 ms. ``start``: when the sender's stream
    began.
    """

    def __init__(self, folder: Path, stream: SenderStream | None, player: Player | None) -> None:
        self.folder, self._stream, self._player = folder, stream, player
        folder.mkdir(parents=True, exist_ok=True)
        self._numbers, self._light_in, self._starts = array("l"), array("f"), array("d")
        self._shown, self._light_out = array("d"), array("f")
        self._heard, self._counts, self._loud = array("d"), array("l"), array("f")
        if stream:
            stream.framing.on_crops = self._captured
        if player:
            player.presenter.on_shown, player.presenter.on_heard = self._show, self._hear

    def _captured(self, first: int, crops: list[UInt8]) -> None:
        self._numbers.extend(range(first, first + len(crops)))
        self._light_in.extend(float(c.mean()) for c in crops)

    def sent(self, bundle: Bundle, captured: float, sent: float) -> None:
        """A bundle was sent whose tick was captured at ``captured``."""
        assert self._stream is not None
        self._starts.append(captured - self._stream.at_ms / 1000)

    def _show(self, number: int, rgb: UInt8, now: float) -> None:
        self._shown.append(now)
        self._light_out.append(float(rgb.mean()))

    def _hear(self, samples: Float32, now: float) -> None:
        values = loudness(samples)
        self._heard.append(now)
        self._counts.append(len(values))
        self._loud.extend(values)

    def close(self) -> None:
        """Write what was recorded."""
        if self._stream:
            start = float(np.median(self._starts)) if self._starts else 0.0
            captured = start + np.array(self._numbers, np.float64) / FRAME_RATE
            np.savez(self.folder / "light-sent.npz", start=start, captured=captured, light=np.array(self._light_in))
        if self._player:
            heard = [t + (np.arange(n) + 0.5) * 0.005 for t, n in zip(self._heard, self._counts, strict=True)]
            np.savez(
                self.folder / "light-shown.npz", shown=np.array(self._shown), light=np.array(self._light_out),
                heard=np.concatenate([*heard, np.zeros(0)]), loud=np.array(self._loud),
            )  # fmt: skip
