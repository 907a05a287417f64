"""Do lips and sound belong together? The lip-sync expert finds voice-over, music, and pictures that lag."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.lipsync.offset import REACH, nearest
from models.runtime.mel import LOOKAHEAD_FRAMES, WINDOW_FRAMES

KEPT_CONFIDENCE = 0.07
"""A clip with a lower confidence is dropped."""
KEPT_OFFSET = 2
"""A clip whose sound is early or late by more frames is dropped."""


@dataclass(frozen=True)
class Sync:
    """``confidence`` in [0, √2]: how much nearer the best fitting sound is than the median of
    shifted ones. ``offset``: by how many frames the sound is late."""

    confidence: float
    offset: int

    @property
    def good(self) -> bool:
        return self.confidence >= KEPT_CONFIDENCE and abs(self.offset) <= KEPT_OFFSET


ScoreClip = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float16], npt.NDArray[np.int16]], Sync]
"""Frames (T, 256, 256, 3) RGB, log-mel (4T + 1, 80) and landmark boxes (T, 4, 4) of a clip → :class:`Sync`."""


def load_score(path: Path) -> ScoreClip:
    """A function that scores clips by a trained SyncNet's file. Raises ``FileNotFoundError``,
    ``ValueError``, and ``ImportError`` without torch."""
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    import torch

    from models.lipsync.syncnet import load_sync, mouths_of

    torch.set_num_threads(1)
    net = load_sync(path)
    # The sound of a window is that around its middle frame, as models.data.cache.Cache.speech gives it.
    early = WINDOW_FRAMES - LOOKAHEAD_FRAMES - 1 - 4 * (net.times // 2)

    @torch.no_grad()
    def score(frames: npt.NDArray[np.uint8], mel: npt.NDArray[np.float16], boxes: npt.NDArray[np.int16]) -> Sync:
        parts = []
        for i in range(0, len(frames), 50):  # in pieces, or ten seconds would take 200 MB as float
            pictures = torch.from_numpy(frames[i : i + 50]).permute(0, 3, 1, 2)[None].float() / 255.0
            parts.append(mouths_of(pictures, torch.from_numpy(boxes[i : i + 50])[None].float()))
        rows = np.concatenate([np.full((early, mel.shape[1]), -1.0, np.float32), mel])[: 4 * len(frames)]
        faces, sounds = net.embed_faces(torch.cat(parts, 1))[0], net.embed_sounds(torch.from_numpy(rows)[None])[0]
        cosines = torch.nn.functional.normalize(faces, dim=1) @ torch.nn.functional.normalize(sounds, dim=1).T
        return best_offset(np.sqrt(np.maximum(2 - 2 * cosines.numpy(), 0)))

    return score


def best_offset(distances: npt.NDArray[np.floating]) -> Sync:
    """Distances (n, n) of window ``i`` from sound ``j`` → the offset j − i with the smallest mean
    distance, and its confidence."""
    # Only offsets that at least a quarter of the windows have: a mean of two or three would be chance.
    reach = min(REACH, 3 * len(distances) // 4)
    means = np.array([np.diagonal(distances, offset).mean() for offset in range(-reach, reach + 1)])
    offset, confidence = nearest(means)
    return Sync(confidence, offset)
