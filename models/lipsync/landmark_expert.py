"""Finds which clips' sound is the visible person's, and how late it is, by a small expert that sees
only lip landmarks.

It learns within a minute what takes an expert that sees pixels far longer, so it can be trained
several times: each person is judged by an expert that was trained on the others, because an expert
accepts whatever it was trained on. A second round trains on the clips that the first one kept, with
their sound offsets corrected, and judges all of them again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.clip import Clip
from models.lipsync.data import SyncData, SyncSampler
from models.lipsync.score import Embed, clip_score, distances
from models.lipsync.sync_file import LEAST_CONFIDENCE, MOST_LATE, Score, in_sync
from models.lipsync.syncnet import FEATURES, Matcher, match_loss
from models.training.precision import autocast
from models.training.schedule import cosine_rate, optimise


@dataclass(frozen=True)
class LipsConfig:
    """How the landmark experts are trained; about 0.05 s a step on one core."""

    steps: int = 600
    times: int = 5
    batch: int = 24
    length: int = 32
    rate: float = 2e-3
    sharpness: float = 14.0
    folds: int = 3
    rounds: int = 2
    least_confidence: float = LEAST_CONFIDENCE
    """Below this confidence a clip's sound is taken as not its own."""
    most_late: int = MOST_LATE
    """Largest offset in frames, late or early, that is corrected: a larger one is chance."""
    seed: int = 0


def features_of(lips: Tensor) -> Tensor:
    """Lips (N, L, 82) → what :class:`Matcher` takes, (N, L, 128): the other features are for what only pixels show."""
    return F.pad(lips, (0, FEATURES - lips.shape[-1]))


def train_lips(data: SyncData, clips: dict[str, int], config: LipsConfig, seed: int) -> Matcher:
    """Train a landmark expert on ``clips`` (with the frames that their sound is late); returns it frozen."""
    torch.manual_seed(seed)
    model = Matcher(config.times)
    sampler = SyncSampler(data, clips, config.batch, config.length, seed, mouths=False)
    optimiser = torch.optim.AdamW(model.parameters(), config.rate, weight_decay=5e-2)
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = cosine_rate(config.rate, step, config.steps)
        runs = sampler.draw(step)
        with autocast("cpu"):
            face, sound = model.faces(features_of(runs.lips)), model.sounds(runs.mel)
        loss = match_loss(face, sound, config.sharpness)
        optimise(loss, model, optimiser, None, step)
    return model.eval().requires_grad_(False)


def by_lips(model: Matcher, data: SyncData) -> Embed:
    """How a landmark expert embeds the clips of ``data``."""

    def embed(clip: Clip) -> tuple[Tensor, Tensor]:
        runs = data.plain(clip, mouths=False)
        return model.faces(features_of(runs.lips))[0], model.sounds(runs.mel)[0]

    return embed


def judge_clips(data: SyncData, config: LipsConfig, say: Callable[[str], None] = lambda _: None) -> dict[str, Score]:
    """Confidence and offset of every clip that is not silent, each by an expert that was not trained
    on its person."""
    people = sorted({c.identity for c in data.clips})
    order = np.random.default_rng(config.seed).permutation(len(people))
    fold = {person: int(i) % config.folds for person, i in zip(people, order, strict=True)}
    person = {c.name: c.identity for c in data.clips}
    kept = dict.fromkeys(person, 0)
    scores: dict[str, Score] = {}
    for turn in range(config.rounds):
        for held in range(config.folds):
            others = {name: late for name, late in kept.items() if fold[person[name]] != held}
            model = train_lips(data, others, config, config.seed + turn * config.folds + held)
            for clip in data.clips:
                if fold[clip.identity] == held:
                    scores[clip.name] = clip_score(distances(by_lips(model, data), data, clip))
            say(f"round {turn + 1}, fold {held + 1}: trained on {len(others)} clips")
        kept = in_sync(scores, config.least_confidence, config.most_late)
        say(f"round {turn + 1}: {len(kept)} of {len(scores)} clips in sync")
    return scores
