"""Training batches, each a pure function of (seed, step), so that a resumed run sees what an unbroken one would."""

import queue
import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import TICK, Cache, Clip, window_pictures


@dataclass
class Batch:
    """Keyframe and truth (N, 3, S, S), pictures (N, 5, 3, 8, 8), all in [0, 1]; mel (N, 20, 80)."""

    keyframe: Tensor
    truth: Tensor
    pictures: Tensor
    mel: Tensor


def _image(cache: Cache, at: int, side: int) -> np.ndarray:
    return cache.coarse[at] if side == 64 else cache.rgb256(at)


def example(cache: Cache, clip: Clip, key: int, frame: int, side: int, phase: int | None, step: int) -> tuple:
    """(keyframe, truth, pictures, mel) for frame ``frame`` of ``clip`` seen from its frame ``key``."""
    small = cache.small[clip.start : clip.start + clip.frames]
    newest = frame + 2 if phase is None else phase + -(-(frame - phase) // TICK) * TICK
    return (
        _image(cache, clip.start + key, side), _image(cache, clip.start + frame, side),
        window_pictures(small, frame, phase, step), cache.speech(clip, frame, newest),
    )  # fmt: skip


def collate(examples: list[tuple]) -> Batch:
    def images(i: int) -> Tensor:
        x = torch.from_numpy(np.stack([e[i] for e in examples]))
        return (x.permute(0, 3, 1, 2).float() / 255.0).contiguous(memory_format=torch.channels_last)

    pictures = torch.from_numpy(np.stack([e[2] for e in examples])).float()
    return Batch(images(0), images(1), pictures, torch.from_numpy(np.stack([e[3] for e in examples])).float())


class Sampler:
    """Draws (keyframe, target) pairs of one clip, mirrored at random, people with little footage not drowned out."""

    def __init__(self, cache: Cache, side: int, batch: int, seed: int = 0) -> None:
        self.cache, self.side, self.batch, self.seed = cache, side, batch, seed
        people: dict[str, list[Clip]] = {}
        for clip in cache.clips:
            if clip.frames >= 10:
                people.setdefault(clip.identity, []).append(clip)
        self.people = list(people.values())
        self.frames = [np.array([c.frames for c in p], float) for p in self.people]
        weight = np.sqrt([f.sum() for f in self.frames])
        self.weight = weight / weight.sum()

    def draw(self, step: int) -> Batch:
        """The batch of training step ``step``."""
        rng, out = np.random.default_rng([self.seed, step]), []
        for _ in range(self.batch):
            person = rng.choice(len(self.people), p=self.weight)
            frames = self.frames[person]
            clip = self.people[person][rng.choice(len(frames), p=frames / frames.sum())]
            key, frame = (int(i) for i in rng.integers(0, clip.frames, 2))
            phase = None if rng.random() < 0.25 else int(rng.integers(0, TICK))
            picked = example(self.cache, clip, key, frame, self.side, phase, int(rng.choice([1, 2, 3, 4])))
            if rng.random() < 0.5:
                k, t, p, m = picked
                picked = (k[:, ::-1], t[:, ::-1], p[..., ::-1], m)
            if rng.random() < 0.15:  # so that the picture alone is enough where there is no sound
                picked = (*picked[:3], np.full_like(picked[3], -1.0))
            out.append(picked)
        return collate(out)


class Prefetch:
    """Draws the next batches in a thread while the network trains on this one."""

    def __init__(self, sampler: Sampler, first: int) -> None:
        self.queue: queue.Queue[Batch | Exception] = queue.Queue(3)
        self.thread = threading.Thread(target=self._work, args=(sampler, first), daemon=True)
        self.thread.start()

    def _work(self, sampler: Sampler, step: int) -> None:
        while True:
            try:
                self.queue.put(sampler.draw(step))
            except Exception as error:  # raised where the batch is wanted, or training would wait for ever
                self.queue.put(error)
                return
            step += 1

    def next(self) -> Batch:
        got = self.queue.get()
        if isinstance(got, Exception):
            raise got
        return got
