"""Training of the lip-sync expert: ``python -m models.lipsync.trainer CACHE OUT.pt`` (CACHE:
prepared ``train`` and ``dev``).

In two stages, on the clips whose sound is their own, with its offset corrected
(:mod:`models.lipsync.landmark_expert`; stored as ``sync.json`` in each split): first an expert that
sees only lip landmarks, then the one that sees pixels. The second starts with the first one's network
for sound and learns to see the lips, and then whatever else in a mouth shows what is said.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from codec.errors import reason
from models.data.find_regions import prepare_regions
from models.lipsync.data import Runs, SyncData, SyncSampler, prepare_mouths
from models.lipsync.landmark_expert import LipsConfig, by_lips, judge_clips, train_lips
from models.lipsync.score import evaluate_sync, score_clips, whole_clips
from models.lipsync.sync_file import in_sync, read_scores, write_scores
from models.lipsync.syncnet import Matcher, SyncNet, match_loss
from models.networks.blocks import channels_last
from models.training.checkpoint import Ema, RunState, fill, load_state
from models.training.precision import autocast
from models.training.schedule import cosine_rate, optimise
from models.whole_file import write_whole


@dataclass(frozen=True)
class SyncConfig:
    """A training run of ``steps`` optimiser steps over all resumes; the rate falls along a cosine over them.

    About 0.35 s a step on two cores at ``width`` 16.
    """

    steps: int = 1600
    width: int = 16
    times: int = 5
    batch: int = 12
    length: int = 32
    rate: float = 1.5e-3
    sharpness: float = 14.0
    lips_weight: float = 2.0
    """Weight of the features' distance from the lip landmarks."""
    still: float = 0.15
    """Share of the steps in which the landmark expert's part stays frozen: until the mouths' features
    mean something."""
    learnt_rate: float = 0.3
    """Share of the learning rate for that part afterwards."""
    seed: int = 0
    threads: int = 2
    save_minutes: float = 2.0


class SyncTrainer:
    """One run: its state is (model, average, optimiser, step, seconds) and can be saved and resumed
    exactly.

    The checkpoint ``OUT.state.pt`` is next to the result ``OUT.pt``. ``learnt``: the landmark expert
    to start from.
    """

    def __init__(self, config: SyncConfig, out: Path, learnt: Matcher | None = None) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.out = config, out
        self.model = SyncNet(config.width, config.times)
        if learnt:
            self.model.matcher.load_state_dict(learnt.state_dict())
        channels_last(self.model)
        self.ema = Ema(self.model, 0.995)
        groups = [{"params": self.model.mouth.parameters()}, {"params": self.model.matcher.parameters()}]
        self.optimiser = torch.optim.AdamW(groups, config.rate, weight_decay=2e-2)
        self.step, self.seconds = 0, 0.0
        self.checkpoint = out.with_suffix(".state.pt")
        if self.checkpoint.exists():
            state = RunState(self.model, self.ema, self.optimiser)
            state.load(self.checkpoint, torch.device("cpu"))
            self.step, self.seconds = state.step, state.seconds

    def save(self) -> None:
        """Write the checkpoint, and the average as the result so far."""
        RunState(self.model, self.ema, self.optimiser, self.step, self.seconds).save(self.checkpoint)
        result = {"model": self.ema.model.state_dict(), "width": self.config.width, "times": self.config.times}
        write_whole(self.out, partial(torch.save, result))

    def train_step(self, runs: Runs) -> dict[str, float]:
        """One optimiser step; returns the loss's parts."""
        config, done = self.config, self.step / self.config.steps
        rate = cosine_rate(config.rate, self.step, config.steps)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.param_groups[1]["lr"] = 0.0 if done < config.still else rate * config.learnt_rate
        with autocast("cpu"):
            features = self.model.mouth(runs.mouths)
            face, sound = self.model.matcher.faces(features), self.model.matcher.sounds(runs.mel)
        match = match_loss(face, sound, config.sharpness)
        lips = F.smooth_l1_loss(features[..., : runs.lips.shape[-1]].float(), runs.lips)
        optimise(match + config.lips_weight * lips, self.model, self.optimiser, self.ema, self.step)
        self.step += 1
        return {"match": float(match.detach()), "lips": float(lips.detach())}

    def run(self, sampler: SyncSampler, say: Callable[[str], None]) -> None:
        """Train until ``steps`` are done; the next batch is drawn during each step."""
        saved, sums = self.seconds, {"match": 0.0, "lips": 0.0}
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(sampler.draw, self.step)
            while self.step < self.config.steps:
                began = time.perf_counter()
                runs, coming = coming.result(), pool.submit(sampler.draw, self.step + 1)
                for name, value in self.train_step(runs).items():
                    sums[name] += value / 100
                self.seconds += time.perf_counter() - began
                if self.step % 100 == 0:
                    say(f"step {self.step}  {self.seconds:.0f} s  " + "  ".join(f"{k} {v:.4f}" for k, v in sums.items()))
                    sums = dict.fromkeys(sums, 0.0)
                if self.seconds - saved > self.config.save_minutes * 60:
                    self.save()
                    saved = self.seconds
        self.save()


def train_sync(
    cache: Path, out: Path, config: SyncConfig, lips: LipsConfig, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:  # fmt: skip
    """Prepare what is missing in ``cache``, train on ``train``, evaluate on ``dev``; writes ``out``
    and a ``.json`` next to it.

    The accuracies on ``dev`` (:func:`evaluate_sync`) are against the offset of each clip found by the
    landmark expert, which is trained on other people, and against no offset. Raises
    ``FileNotFoundError`` where there is no cache.
    """
    torch.set_num_threads(config.threads)
    for split in ("train", "dev"):
        prepare_regions(cache / split)
        prepare_mouths(cache / split)
    train, dev = SyncData(cache / "train"), SyncData(cache / "dev")
    judged = read_scores(cache / "train")
    if judged is None:
        judged = judge_clips(train, lips, say)
        write_scores(judged, cache / "train")
    kept = in_sync(judged, lips.least_confidence, lips.most_late)
    landmarks = out.with_suffix(".lips.pt")
    expert = Matcher(lips.times)
    if landmarks.exists():
        fill(expert, load_state(landmarks), landmarks)
    else:
        say(f"landmark expert: {len(kept)} of {len(train.clips)} clips")
        expert = train_lips(train, kept, lips, config.seed)
        write_whole(landmarks, partial(torch.save, expert.state_dict()))
    expert = expert.eval().requires_grad_(False)
    scores = score_clips(by_lips(expert, dev), dev)
    write_scores(scores, cache / "dev")

    trainer = SyncTrainer(config, out, expert)
    trainer.run(SyncSampler(train, kept, config.batch, config.length, config.seed), say)
    found = in_sync(scores, lips.least_confidence, lips.most_late)
    results = {
        name: {"against_landmarks": evaluate_sync(e, dev, found), "against_none": evaluate_sync(e, dev, dict.fromkeys(scores, 0))}
        for name, e in (("expert", whole_clips(trainer.ema.model, dev)), ("landmark_expert", by_lips(expert, dev)))
    }
    result = {
        "config": asdict(config) | {"lips": asdict(lips)}, "seconds": round(trainer.seconds), "dev": results,
        "train_clips": {"not_silent": len(train.clips), "in_sync": len(kept)},
    }  # fmt: skip
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m models.lipsync.trainer", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=SyncConfig.steps)
    parser.add_argument("--width", type=int, default=SyncConfig.width)
    parser.add_argument("--threads", type=int, default=SyncConfig.threads)
    given = parser.parse_args(arguments)
    settings = SyncConfig(steps=given.steps, width=given.width, threads=given.threads)
    try:
        done = train_sync(given.cache, given.out, settings, LipsConfig(), lambda line: print(line, flush=True))
    except (OSError, ValueError) as error:
        print(f"lip sync: {reason(error)}", file=sys.stderr)
        return 1
    print(json.dumps(done["dev"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
