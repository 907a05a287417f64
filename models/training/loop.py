"""What training runs share: checkpoints and exact resumption, the learning rate, the average, the
clock and the log."""

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.cache import Cache
from models.data.sampler import Prefetch
from models.memory import keep_memory
from models.networks.blocks import channels_last
from models.training.checkpoint import Ema, RunState
from models.training.distributed import join
from models.training.precision import autocast, uses_bf16
from models.training.schedule import CLIP, learning_rate, optimise

if TYPE_CHECKING:
    from models.data.batch import BatchSource, MakeBatchSource
    from models.data.shards import ShardFeed

HEARTBEAT = 60.0
"""Seconds after which a run reports its progress, however few its steps; the log file has only whole intervals."""


@dataclass(frozen=True)
class LoopConfig:
    """A run of ``steps`` optimiser steps over all resumes; the learning rate falls in the last two fifths.

    Training does not depend on the clock, so a resumed run ends where an uninterrupted one would.
    ``cache`` holds ``train/`` and ``dev/`` (:func:`models.data.cache.prepare`), ``weights`` the
    losses' networks; ``out`` gets ``STAGE.pt``, the checkpoint, and ``STAGE.jsonl``, the log. With
    ``shards`` (:mod:`models.prepare`) training people come from there, read by ``loaders``
    processes, and the cache needs only ``dev/``. ``bf16`` None: used where the device supports it
    natively. A step's gradient is the mean over ``batches`` batches, which need the memory of one.
    """

    stage: str
    cache: Path
    weights: Path
    out: Path
    steps: int = 2000
    batch: int = 24
    rate: float = 6e-4
    seed: int = 0
    threads: int = 2
    save_minutes: float = 4.0
    evaluate_minutes: float = 8.0
    log_steps: int = 50
    shards: Path | None = None
    loaders: int = 8
    bf16: bool | None = None
    batches: int = 1


LEAST_DEV = 25
"""The longest dev clip must have more frames than this: some figures use no frame of a shorter one."""

C = TypeVar("C", bound=LoopConfig)
M = TypeVar("M", bound=nn.Module)


class Loop(ABC, Generic[C, M]):
    """One run of one stage: its state is (model, average, optimiser, step, seconds), resumed from
    ``STAGE.pt``.

    ``seconds`` counts only training, not evaluation. Raises ``ValueError`` when the checkpoint is of
    another network.
    """

    clip = CLIP
    """Largest norm of the gradient."""

    def __init__(self, config: C, model: M, groups: list[dict] | None = None) -> None:
        self.config, self.group = config, join()
        self.device = self.group.device()
        self.bf16 = uses_bf16(self.device.type, config.bf16)
        self.model: M = model.to(self.device)
        channels_last(self.model)
        self.group.broadcast(self.model)
        self.ema = Ema(self.model)
        groups = groups or [{"params": list(self.model.parameters())}]
        groups = [{"scale": 1.0} | group for group in groups]
        self.optimiser = torch.optim.AdamW(groups, config.rate, betas=(0.9, 0.99), weight_decay=1e-4)
        self.step, self.seconds = 0, 0.0
        self.part = 0  # which of the step's batches
        self.checkpoint = config.out / f"{config.stage}.pt"
        if self.checkpoint.exists():
            state = RunState(self.model, self.ema, self.optimiser)
            state.load(self.checkpoint, self.device)
            self.step, self.seconds = state.step, state.seconds
        if self.group.mean({"step": float(self.step)})["step"] != self.step:
            raise ValueError(f"processes disagree about {self.checkpoint}: can all of them read it?")

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """(what is minimised, its parts for the log) of training step ``self.step``; under autocast."""

    @abstractmethod
    def maker(self) -> "MakeBatchSource":
        """What makes a sampler for a cache: called with (cache, batch=, seed=)."""

    def sampler(self, cache: Cache) -> "BatchSource":
        """Where this process's batches come from."""
        return self.maker()(cache, batch=self.config.batch, seed=self.group.seed(self.config.seed))

    def _feed(self) -> "Prefetch | ShardFeed":
        config, group = self.config, self.group
        first = self.step * config.batches
        if config.shards is None:
            return Prefetch(self.sampler(Cache(config.cache / "train")), first)
        from models.data.shards import ShardBatches, ShardFeed, find_shards

        shards = find_shards(config.shards, "train")
        batches = ShardBatches(shards, self.maker(), config.batch, config.seed, first, group.rank, group.world)
        return ShardFeed(batches, config.loaders)

    @abstractmethod
    def evaluate(self, dev: Cache) -> dict[str, float]:
        """Figures of the averaged model on people not trained on."""

    def save(self) -> None:
        """Write ``STAGE.pt``."""
        RunState(self.model, self.ema, self.optimiser, self.step, self.seconds).save(self.checkpoint)

    def _rate(self) -> float:
        return learning_rate(self.config.rate, self.step, self.step / self.config.steps)

    def _train_step(self, batches: Iterable[Batch]) -> dict[str, float]:
        """One step; returns the means of the losses' parts."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate() * group["scale"]
        self.model.train()
        sums: Counter[str] = Counter()

        def losses() -> Iterator[Tensor]:
            for self.part, batch in enumerate(batches):
                with autocast(self.device.type, self.bf16):
                    loss, parts = self.loss(batch)
                sums.update(parts)
                yield loss / self.config.batches

        optimise(
            losses(), self.model, self.optimiser, self.ema, self.step, self.clip,
            lambda: self.group.average(self.model.parameters()),
        )  # fmt: skip
        return {name: value / self.config.batches for name, value in sums.items()}

    def _note(self, row: dict[str, float], report: Callable[[dict[str, float]], None]) -> None:
        with (self.config.out / f"{self.config.stage}.jsonl").open("a") as log:
            log.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
        report(row)

    def run(self, report: Callable[[dict[str, float]], None] = lambda _: None) -> dict[str, float]:
        """Train until ``steps`` are done, then evaluate; returns the last figures.

        Appends to ``STAGE.jsonl``, keeps ``STAGE.pt`` up to date, writes ``STAGE.json``. Of many
        processes only the first saves, evaluates and reports; the others wait for it at the next
        step's gradients. Raises ``ValueError`` where the dev split has nothing to evaluate on.
        """
        config = self.config
        torch.set_num_threads(config.threads)
        if self.device.type == "cpu":
            keep_memory()
        dev = Cache(config.cache / "dev")
        if max(clip.frames for clip in dev.clips) <= LEAST_DEV:
            raise ValueError(f"{config.cache / 'dev'} has no clip of more than {LEAST_DEV} frames to evaluate on")
        config.out.mkdir(parents=True, exist_ok=True)
        with closing(self._feed()) as feed:
            self._train(feed, dev, report)
        final = self._finish(dev, report) if self.group.first else {}
        self.group.barrier()  # the next stage starts from what this one has saved
        return final

    def _train(self, feed: "Prefetch | ShardFeed", dev: Cache, report: Callable[[dict[str, float]], None]) -> None:
        config, reported = self.config, time.monotonic()
        saved = evaluated = self.seconds
        sums: dict[str, list[float]] = {}
        while self.step < config.steps:
            began = time.perf_counter()
            batches = (feed.next().to(self.device) for _ in range(config.batches))
            for name, value in self._train_step(batches).items():
                sums.setdefault(name, []).append(value)
            self.step += 1
            self.seconds += time.perf_counter() - began
            if not self.group.first:
                continue
            last = self.step >= config.steps
            if self.step % config.log_steps == 0 or last:
                row = {"step": self.step, "minutes": self.seconds / 60} | {k: sum(v) / len(v) for k, v in sums.items()}
                sums = {}
                if self.seconds - evaluated > config.evaluate_minutes * 60 and not last:
                    row |= self.evaluate(dev)
                    evaluated = self.seconds
                self._note(row, report)
                reported = time.monotonic()
            elif time.monotonic() - reported > HEARTBEAT:
                report({"step": self.step, "minutes": self.seconds / 60} | {k: sum(v) / len(v) for k, v in sums.items()})
                reported = time.monotonic()
            if self.seconds - saved > config.save_minutes * 60:
                self.save()
                saved = self.seconds

    def _finish(self, dev: Cache, report: Callable[[dict[str, float]], None]) -> dict[str, float]:
        self.save()
        final = self.evaluate(dev) | {"step": self.step, "minutes": self.seconds / 60}
        settings = {k: str(v) for k, v in asdict(self.config).items()}
        path = self.config.out / f"{self.config.stage}.json"
        path.write_text(json.dumps({"config": settings, "dev": final}, indent=1) + "\n")
        self._note(final, report)
        return final
