"""The CPU part of how the shipped weights were made, from clips to ONNX: ``facewire train --reproduce``. The GPU part is
:mod:`models.gpu_training.train`; models/weights/README.md describes both."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from models.training.stages import STAGES, before

if TYPE_CHECKING:
    from models.training.runs import TrainRequest

INTERPOLATOR_STEPS = 1000


def run_recipe(wanted: "TrainRequest", say: Callable[[str], None], scale: float = 1.0) -> dict[str, Any]:
    """Run every stage in turn, each resumed where it stopped, then write ``OUT/weights``. ``scale``
    shortens all stages alike.

    Raises ``ValueError``, ``FileNotFoundError``, ``ImportError``.
    """
    from models.training.distributed import join
    from models.training.runs import run_call

    figures: dict[str, Any] = {}
    stages = [s for s in STAGES.values() if s.name != "speech" or wanted.sync]
    for stage in stages:
        name = stage.name
        steps = max(1, round(stage.steps * scale))
        say(f"stage {name}: {steps} steps")
        # The weights that the user names start the first stage; every other stage starts from the one before it.
        start = wanted.start if stage is stages[0] else None
        figures[name] = run_call(replace(wanted, stage=name, steps=steps, start=start), say)
    group = join()
    if group.first:
        figures |= _rest(wanted, stages[-1].name, scale, say)
    group.barrier()
    return figures


def _rest(wanted: "TrainRequest", last: str, scale: float, say: Callable[[str], None]) -> dict[str, Any]:
    from models.export import int8
    from models.training.average import SHARE, mix
    from models.training.interpolator import InterpolatorConfig, train
    from models.training.runs import INTERPOLATOR_CLIPS, cache_shards, prepare_shard_points, run_export, sharded

    figures: dict[str, Any] = {}
    interpolator = wanted.out / "interpolator.pt"
    if sharded(wanted.data):  # for the interpolator, and for the scales of int8, which depend on the face's points
        cache_shards(wanted.data, wanted.out / "cache", "train", INTERPOLATOR_CLIPS, say)
        prepare_shard_points(wanted.out / "cache", "train", say)
    if not interpolator.exists():
        steps = max(1, round(INTERPOLATOR_STEPS * scale))
        say(f"interpolator: {steps} steps")
        config = InterpolatorConfig(steps=steps, threads=wanted.threads)
        figures["interpolator"] = train(wanted.out / "cache", interpolator, config)
    checkpoint = wanted.out / f"{last}.pt"
    if last == "speech":
        checkpoint = wanted.out / "call.pt"
        say(f"mixing: {SHARE:g} of the speech stage, the rest from the stage before it")
        mix(wanted.out / f"{before(last)}.pt", wanted.out / f"{last}.pt", checkpoint)
    figures["weights"] = run_export(checkpoint, interpolator, wanted.out / "weights")
    say("int8: calibrating the scales on training people")
    small = int8.write(wanted.out / "cache", wanted.out / "weights", max(1, round(int8.SAMPLES * scale)))
    figures["weights"][small.name] = small.stat().st_size
    return figures
