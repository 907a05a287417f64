"""Training batches for the paper's network: windows of consecutive frames, each batch a pure
function of (seed, step)."""

from dataclasses import replace

import numpy as np
import torch

from models.data.augment import relight
from models.data.batch import PLACES, WINDOW, Batch
from models.data.cache import Cache, window_pictures
from models.data.clip import SIDE, TICK, Clip
from models.data.regions import mirrored_boxes
from models.data.sampler import Sampler
from models.face.shape_points import COUNT

Window = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def window_example(cache: Cache, clip: Clip, key: int, middle: int, phase: int | None, step: int) -> Window:
    """(keyframe, truth, pictures, mel, boxes) for the five frames around ``middle`` of ``clip``, with
    its frame ``key`` as keyframe.

    keyframe (256, 256, 3) and truth (5, 256, 256, 3) uint8; pictures (5, 3, 8, 8) in [0, 1],
    ``phase`` and ``step`` as in :func:`models.data.cache.window_pictures`; mel (20, 80); boxes (5,
    4, 4). Raises ``ValueError`` where the window leaves the clip.
    """
    first = middle - WINDOW // 2
    if first < 0 or first + WINDOW > clip.frames:
        raise ValueError(f"no window of {WINDOW} frames around frame {middle} of {clip.frames}")
    times = range(clip.start + first, clip.start + first + WINDOW)
    small = cache.small[clip.start : clip.start + clip.frames]
    return (
        cache.rgb256(clip.start + key), np.stack([cache.rgb256(t) for t in times]), window_pictures(small, middle, phase, step),
        cache.speech(clip, middle, middle + WINDOW // 2), np.stack([cache.boxes(t) for t in times]),
    )  # fmt: skip


def mirrored(window: Window) -> Window:
    """The mirror image of a window."""
    keyframe, truth, pictures, mel, boxes = window
    return keyframe[:, ::-1], truth[:, :, ::-1], pictures[..., ::-1], mel, mirrored_boxes(boxes)


def collate(windows: list[Window]) -> Batch:
    """Windows → a batch; truth (N, 15, 256, 256), a window's frames one after the other in the
    channels, until :func:`unfold` moves them to the batch dimension; boxes (N·5, 4, 4)."""
    keyframe, truth, pictures, mel, boxes = (torch.from_numpy(np.stack(part)) for part in zip(*windows, strict=True))
    return Batch(
        keyframe.permute(0, 3, 1, 2).float() / 255.0, truth.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 255.0,
        pictures.float(), mel.float(), torch.zeros(len(windows), 3, 64, 64), boxes.flatten(0, 1).float(),
        torch.zeros(len(windows), 2, COUNT, 2),
    )  # fmt: skip


def unfold(batch: Batch) -> Batch:
    """Move frames from the channels to the batch dimension: truth (N·5, 3, 256, 256), frame t of window n at n·5 + t."""
    truth = batch.truth.reshape(-1, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    return replace(batch, truth=truth, keyframe=batch.keyframe.contiguous(memory_format=torch.channels_last))


class WindowSampler(Sampler):
    """Draws windows of five frames and a keyframe from anywhere in the same clip, mirrored and relit at random.

    The batch has keyframe (N, 3, 256, 256), truth (N·5, 3, 256, 256), pictures (N, 5, 3, 8, 8), mel
    (N, 20, 80) and boxes (N·5, 4, 4). Three times in four the pictures are interpolated from 5 FPS.
    Raises ``ValueError`` for a cache without a clip that is long enough.
    """

    def __init__(self, cache: Cache, batch: int, seed: int = 0) -> None:
        super().__init__(cache, SIDE, batch, seed)
        if not self.people:
            raise ValueError("no clip is long enough to train on")

    def draw(self, step: int) -> Batch:
        rng, out = np.random.default_rng([self.seed, step]), []
        for _ in range(self.batch):
            clip = self.clip(rng)
            key = int(rng.integers(clip.frames))
            middle = int(rng.integers(WINDOW // 2, clip.frames - WINDOW // 2))
            phase = None if rng.random() < 0.25 else int((middle - rng.choice(PLACES)) % TICK)
            window = window_example(self.cache, clip, key, middle, phase, int(rng.choice([1, 2, 3, 4])))
            out.append(mirrored(window) if rng.random() < 0.5 else window)
        return unfold(relight(collate(out), rng))
