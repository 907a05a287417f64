"""One training run or export as requested; torch is imported only within the functions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.extras import install_command


@dataclass(frozen=True)
class TrainRequest:
    """The options of ``facewire train``; None takes the recipe's value. ``start``: a checkpoint or a folder
    of ONNX weights to start from, instead of the stage before."""

    data: Path
    losses: Path
    out: Path
    network: str = "call"
    stage: str | None = None
    steps: int | None = None
    batch: int | None = None
    rate: float | None = None
    sync: Path | None = None
    threads: int = 2
    loaders: int = 8
    start: Path | None = None


def need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(f"training needs torch: {install_command('train')}") from error


DEV_CLIPS = 200
"""Clips taken from shards into a cache to evaluate on."""
INTERPOLATOR_CLIPS = 300
"""Clips taken from shards into a cache to train the interpolator on."""


def sharded(data: Path) -> bool:
    """Whether ``data`` is what ``train prepare`` made, not a folder of clips."""
    return (data / "manifest.jsonl").is_file()


def prepare_cache(data: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Decode every clip of ``data`` once, and find the landmark regions in it; existing files are kept.

    From shards only the dev people are taken. Of many processes the first does it, and the others wait.
    """
    from models.training.distributed import join

    group = join()
    if group.first:
        _prepare_cache(data, cache, say)
    group.barrier()


def _prepare_cache(data: Path, cache: Path, say: Callable[[str], None]) -> None:
    from models.data.cache import prepare
    from models.data.find_points import prepare_points
    from models.data.find_regions import prepare_regions

    if sharded(data):
        cache_shards(data, cache, "dev", DEV_CLIPS, say)
        return prepare_shard_points(cache, "dev", say)
    for split in ("train", "dev"):
        if not (cache / split / "index.json").exists():
            say(f"preparing {split}: decoding every clip once")
            prepare(data, cache, split, say)
        if not (cache / split / "regions.npy").exists():
            say(f"preparing {split}: finding lips, nose, eyes and eyebrows")
            prepare_regions(cache / split, say)
        if not (cache / split / "points.npy").exists():
            say(f"preparing {split}: detecting face landmarks in every frame")
            prepare_points(cache / split, say)


def prepare_shard_points(cache: Path, split: str, say: Callable[[str], None]) -> None:
    """Detect face landmarks in every frame of a split that was taken from shards, unless that is done."""
    from models.data.find_points import prepare_points

    if not (cache / split / "points.npy").exists():
        say(f"preparing {split}: detecting face landmarks in every frame")
        prepare_points(cache / split, say)


def cache_shards(data: Path, cache: Path, split: str, clips: int, say: Callable[[str], None]) -> None:
    """Copy at most ``clips`` clips of a split from shards into the cache, unless the split is there."""
    from models.data.shards import cache_from_shards, find_shards

    if not (cache / split / "index.json").exists():
        say(f"preparing {split}: taking at most {clips} clips from the shards")
        cache_from_shards([s.path for s in find_shards(data, split)], cache / split, clips)


def _talk(say: Callable[[str], None], last: dict[str, Any]) -> Callable[[dict[str, float]], None]:
    def report(row: dict[str, float]) -> None:
        last.update(row)
        say("  ".join(f"{k} {v:.4g}" for k, v in row.items()))

    return report


def run_call(wanted: TrainRequest, say: Callable[[str], None]) -> dict[str, Any]:
    """Train one stage of ``call``. Raises ``ValueError`` for an unknown stage,
    ``FileNotFoundError`` for missing data."""
    from models.training.stages import FURTHER, STAGES, before
    from models.training.trainer import TrainConfig, Trainer

    stages = STAGES | {FURTHER.name: FURTHER}
    if (stage := wanted.stage or "coarse") not in stages:
        raise ValueError(f"stage {stage!r} is not {', '.join(STAGES)} or {FURTHER.name}")
    if stage == FURTHER.name and wanted.start is None:
        raise ValueError(f"the stage {stage} needs weights to begin with: --from (models/weights holds the shipped ones)")
    if stage == FURTHER.name and sharded(wanted.data):
        raise ValueError(f"the stage {stage} takes keyframes of other clips: it needs clips.tsv and its folders, not shards")
    if stage == "speech" and wanted.sync is None:
        raise ValueError("the speech stage needs a trained lip-sync expert: --sync (python -m models.lipsync.trainer makes one)")
    usual, out, first = stages[stage], wanted.out, before(stage)
    start = wanted.start or (out / f"{first}.pt" if first else None)
    if start and not start.exists():
        if wanted.start:
            raise FileNotFoundError(f"no such file or folder: {start}")
        raise FileNotFoundError(f"no such file: {start} (train --stage {first} first)")
    if wanted.sync and not wanted.sync.exists():
        raise FileNotFoundError(f"no such file: {wanted.sync}")
    prepare_cache(wanted.data, out / "cache", say)
    config = TrainConfig(
        stage, out / "cache", wanted.losses, out, steps=wanted.steps or usual.steps, batch=wanted.batch or usual.batch,
        rate=wanted.rate or usual.rate, perceptual=usual.perceptual, side=usual.side, crop=usual.crop, face=usual.face,
        sync=wanted.sync, threads=wanted.threads, batches=usual.batches, deformed=usual.deformed,
        shards=wanted.data if sharded(wanted.data) else None, loaders=wanted.loaders,
    )  # fmt: skip
    trainer = Trainer(config, start)
    if trainer.step:
        say(f"going on from step {trainer.step}")
    elif trainer.untrained:
        say(f"{start} lacks {len(trainer.untrained)} parameters, which begin untrained: {trainer.untrained[0]}, …")
    last: dict[str, Any] = {}
    trainer.run(_talk(say, last))
    return {"stage": stage, "checkpoint": str(trainer.checkpoint), **last}


def run_paper(wanted: TrainRequest, say: Callable[[str], None]) -> dict[str, Any]:
    """Train one stage of the paper's network, ``paper`` at its size or ``paper-reduced``. Raises as
    :func:`run_call`."""
    from models.paper.training import PaperTrainConfig, run_paper_training

    if wanted.start:
        raise ValueError("--from begins the training of call, not of the paper's network")
    if sharded(wanted.data):
        raise ValueError("the paper's network is trained on clips, not on shards")
    prepare_cache(wanted.data, wanted.out / "cache", say)
    return run_paper_training(
        wanted.out / "cache", wanted.losses, wanted.out, wanted.stage or "backbone",
        "full" if wanted.network == "paper" else "reduced", wanted.steps or PaperTrainConfig.steps,
        wanted.batch or PaperTrainConfig.batch, wanted.rate, wanted.threads, wanted.sync, say,
    )  # fmt: skip


_REMADE = {
    "step-int8.onnx": "python -m models.export.int8 RUN/cache {folder}",
    "step-small-int8.onnx": "python -m models.distill RUN/cache LOSSES RUN --stage full --call {folder}, "
    "then python -m models.distill.weights RUN/full.pt RUN/cache {folder}",
}
"""The commands that recreate a network whose weights belong to those of another file."""


def run_export(checkpoint: Path, interpolator: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Checkpoints → ONNX files in ``out``; returns their sizes in bytes. Raises
    ``FileNotFoundError``, ``ImportError``."""
    need_torch()
    from models.export.export import export
    from models.runtime.weight_files import MADE_FROM, made_from

    for path in (checkpoint, interpolator):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    out.mkdir(parents=True, exist_ok=True)
    export(checkpoint, interpolator, out, say=say)
    for name, source in MADE_FROM.items():
        if (out / name).is_file() and not made_from(out / name, out / source):
            say(f"{name} belongs to other weights and is not used; recreate it with: {_REMADE[name].format(folder=out)}")
    return {p.name: p.stat().st_size for p in sorted(out.glob("*.onnx"))}
