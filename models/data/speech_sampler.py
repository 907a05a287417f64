"""Training batches for the ``speech`` stage of ``call``: runs of five frames of people who talk,
each rendered on its own."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.data.augment import relight
from models.data.batch import PLACES, WINDOW, Batch
from models.data.cache import Cache
from models.data.clip import SIDE, TICK, Clip
from models.data.sampler import Sampler, example, mirrored
from models.data.shares import SILENCED_SHARE

if TYPE_CHECKING:
    from torch import Tensor

TALKING_SHARE = 0.75
"""Share of the runs that are drawn from clips whose sound is their own."""


UNTOLD_SHARE = 0.5
"""Share of the runs without the face's points: where these give the lips' positions, sound adds nothing."""


class SpeechSampler(Sampler):
    """Draws runs of five consecutive frames and a keyframe from anywhere in the same clip, mirrored and
    relit as one.

    The batch has keyframe (N, 3, 256, 256) and, frame t of run n at n·5 + t, truth (N·5, 3, 256,
    256), pictures, mel, detail, boxes and shape. At a run's middle frame all its sound is known. Raises
    ``ValueError`` for a cache without a clip of ten frames.
    """

    def __init__(self, cache: Cache, batch: int, seed: int = 0) -> None:
        super().__init__(cache, SIDE, batch, seed)
        late = cache.late
        with_sound = ([c for c in clips if c.mel_frames and (late is None or c.name in late)] for clips in self.people)
        self.talking = [clips for clips in with_sound if clips]
        weight = np.sqrt([sum(c.frames for c in clips) for clips in self.talking])
        self.talking_weight = weight / weight.sum() if self.talking else weight

    def talker(self, rng: np.random.Generator) -> Clip:
        """A clip with sound of its own, drawn as :meth:`clip` draws from all clips; any clip if none has such sound."""
        if not self.talking:
            return self.clip(rng)
        clips = self.talking[rng.choice(len(self.talking), p=self.talking_weight)]
        frames = np.array([c.frames for c in clips], float)
        return clips[rng.choice(len(clips), p=frames / frames.sum())]

    def draw(self, step: int) -> Batch:
        rng, runs = np.random.default_rng([self.seed, step]), []
        for _ in range(self.batch):
            clip = self.talker(rng) if rng.random() < TALKING_SHARE else self.clip(rng)
            key = int(rng.integers(clip.frames))
            middle = int(rng.integers(WINDOW // 2, clip.frames - WINDOW // 2))
            phase = None if rng.random() < 0.15 else int((middle - rng.choice(PLACES)) % TICK)
            quantiser = int(rng.choice([1, 2, 3, 4]))
            frames = range(middle - WINDOW // 2, middle + WINDOW // 2 + 1)
            run = [example(self.cache, clip, key, f, SIDE, phase, quantiser) for f in frames]
            coded = self.coder(rng, UNTOLD_SHARE)
            run = [(*e[:6], coded(e[6])) for e in run]
            run = [mirrored(e) for e in run] if rng.random() < 0.5 else run
            silent = rng.random() < SILENCED_SHARE
            runs.append([(*e[:3], np.full_like(e[3], -1.0), *e[4:]) for e in run] if silent else run)
        return unfold(relight(collate(runs), rng))


def collate(runs: list[list[tuple[np.ndarray, ...]]]) -> Batch:
    """Runs of examples → a batch of runs: a run's frames are one after the other in the channels, so
    that they are relit alike, until :func:`unfold`."""

    def stacked(i: int) -> "Tensor":
        return torch.from_numpy(np.stack([np.stack([e[i] for e in run]) for run in runs]))

    keyframe = torch.from_numpy(np.stack([run[0][0] for run in runs])).permute(0, 3, 1, 2).float() / 255.0
    truth = stacked(1).permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 255.0
    pictures, detail = stacked(2).flatten(1, 2).float(), stacked(4).flatten(1, 2).float()
    mel, boxes, shape = (stacked(i).flatten(0, 1).float() for i in (3, 5, 6))
    return Batch(keyframe, truth, pictures, mel, detail, boxes, shape)


def unfold(batch: Batch) -> Batch:
    """Move frames from the channels to the batch dimension."""
    last = torch.channels_last
    return Batch(
        batch.keyframe.contiguous(memory_format=last), batch.truth.reshape(-1, 3, SIDE, SIDE).contiguous(memory_format=last),
        batch.pictures.reshape(-1, 5, 3, 8, 8), batch.mel, batch.detail.reshape(-1, 3, 64, 64), batch.boxes, batch.shape,
    )  # fmt: skip
