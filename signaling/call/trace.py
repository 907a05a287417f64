"""A record of a call for measurements: what was captured and sent when, and what was shown when. Used
by tests and the demo."""

from pathlib import Path

import numpy as np

from codec.bundle import TIME_UNIT, Bundle
from codec.media.timing import FRAME_RATE
from codec.media.types import Float32, UInt8
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.references import resized
from receiver.player import Player
from sender.stream import SenderStream

MAX_FRAMES = FRAME_RATE * 120
"""At most two minutes are kept: a frame takes 192 KB."""


class Trace:
    """Writes ``sent.npz`` (sender) and ``shown.npz`` (receiver) into a folder when closed.

    Times are ``time.monotonic`` seconds, which processes of one machine share. ``ticks`` has one row
    for each bundle: where its tick begins in the stream and how long it is, both in ms, when its
    capture ended, and when it was sent. ``sound`` is what the outputs got, at 16 kHz: for each tick
    ``sound_counts`` samples that begin at ``sound_times``.
    """

    def __init__(self, folder: Path, stream: SenderStream | None, player: Player | None) -> None:
        self.folder, self.stream, self.player = folder, stream, player
        folder.mkdir(parents=True, exist_ok=True)
        self._crops: dict[int, UInt8] = {}
        self._ticks: list[tuple[int, int, float, float]] = []
        self._small: list[UInt8] = []
        self._shown: dict[int, tuple[float, UInt8]] = {}
        self._heard: list[tuple[float, Float32]] = []
        if stream:
            stream.framing.on_crops = self._captured
        if player:
            player.presenter.on_shown, player.presenter.on_heard = self._show, self._hear

    def _captured(self, first: int, crops: list[UInt8]) -> None:
        if first < MAX_FRAMES:
            self._crops |= {first + i: crop for i, crop in enumerate(crops)}

    def sent(self, bundle: Bundle, captured: float, sent: float) -> None:
        """A bundle was sent whose tick was captured at ``captured``."""
        assert self.stream is not None
        if bundle.time * TIME_UNIT < MAX_FRAMES * 1000 / FRAME_RATE:
            self._ticks.append((bundle.time * TIME_UNIT, bundle.tick_ms, captured, sent))
            small = self.stream.sent_picture
            self._small.append(ycbcr_to_rgb(resized(small, 8)) if small is not None else np.zeros((8, 8, 3), np.uint8))

    def _show(self, number: int, rgb: UInt8, now: float) -> None:
        if number not in self._shown and len(self._shown) < MAX_FRAMES:
            self._shown[number] = (now, rgb)

    def _hear(self, samples: Float32, now: float) -> None:
        if len(self._heard) < MAX_FRAMES:
            self._heard.append((now, samples))

    def close(self) -> None:
        """Write what was recorded."""
        if self.stream:
            order = sorted(self._crops)
            keyframe = self.stream.keyframes.newest
            np.savez(
                self.folder / "sent.npz", numbers=np.array(order, int), crops=np.array([self._crops[n] for n in order], np.uint8),
                ticks=np.array(self._ticks, float), small=np.array(self._small, np.uint8),
                keyframe=keyframe.rgb if keyframe else np.zeros((256, 256, 3), np.uint8),
            )  # fmt: skip
        if self.player:
            order = sorted(self._shown)
            np.savez(
                self.folder / "shown.npz", numbers=np.array(order, int), times=np.array([self._shown[n][0] for n in order]),
                frames=np.array([self._shown[n][1] for n in order], np.uint8),
                sound=np.concatenate([np.zeros(0, np.float32), *(s for _, s in self._heard)]).astype(np.float16),
                sound_times=np.array([t for t, _ in self._heard]), sound_counts=np.array([len(s) for _, s in self._heard], int),
            )  # fmt: skip
