"""The recipe that the shipped weights are made with, from clips to ONNX: ``facewire train --reproduce``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.train_command import Wanted


@dataclass(frozen=True)
class Stage:
    """Settings of one stage of ``call``: ``side`` is the picture's, ``crop`` what LPIPS-VGG sees of it, ``perceptual`` its weight
    in the loss, ``face`` the share of the crops around lips or eyes. Each begins with the weights of the one before."""

    name: str
    side: int
    steps: int
    batch: int
    rate: float
    perceptual: float
    crop: int
    face: float = 2 / 3


STAGES = {
    "coarse": Stage("coarse", 64, 4300, 24, 6e-4, 0.6, 64),
    "medium": Stage("medium", 128, 1900, 24, 4e-4, 0.6, 64),
    "full": Stage("full", 256, 4300, 8, 3e-4, 6.0, 112),
    "finish": Stage("finish", 256, 350, 8, 1.5e-4, 14.0, 128, 1 / 3),
    "speech": Stage("speech", 256, 2350, 2, 1.4e-4, 14.0, 128, 1 / 3),
}
"""``speech``, whose batch counts runs of five frames, needs a lip-sync expert, and is left out without. Steps are the sum of what
the shipped weights have seen, in sessions with pauses (docs/training.md)."""
INTERPOLATOR_STEPS = 1000


def before(stage: str) -> str | None:
    """The stage that ``stage`` begins with the weights of; None for the first."""
    names = list(STAGES)
    return names[names.index(stage) - 1] if stage != names[0] else None


def run_recipe(wanted: "Wanted", say: Callable[[str], None], scale: float = 1.0) -> dict[str, Any]:
    """Every stage in turn, each taken up where it stopped, then ``OUT/weights``. ``scale`` shortens all stages alike.

    Raises ``ValueError``, ``FileNotFoundError``, ``ImportError``.
    """
    from models.distributed import join
    from models.train_command import run_call

    figures: dict[str, Any] = {}
    stages = [s for s in STAGES.values() if s.name != "speech" or wanted.sync]
    for stage in stages:
        name = stage.name
        steps = max(1, round(stage.steps * scale))
        say(f"stage {name}: {steps} steps")
        figures[name] = run_call(replace(wanted, stage=name, steps=steps), say)
    group = join()
    if group.first:
        figures |= _rest(wanted, stages[-1].name, scale, say)
    group.barrier()
    return figures


def _rest(wanted: "Wanted", last: str, scale: float, say: Callable[[str], None]) -> dict[str, Any]:
    from models import int8
    from models.interpolator_training import InterpolatorConfig, train
    from models.mix import SHARE, mix
    from models.train_command import INTERPOLATOR_CLIPS, cache_shards, run_export, sharded

    figures: dict[str, Any] = {}
    interpolator = wanted.out / "interpolator.pt"
    if not interpolator.exists():
        if sharded(wanted.data):
            cache_shards(wanted.data, wanted.out / "cache", "train", INTERPOLATOR_CLIPS, say)
        steps = max(1, round(INTERPOLATOR_STEPS * scale))
        say(f"interpolator: {steps} steps")
        config = InterpolatorConfig(steps=steps, threads=wanted.threads)
        figures["interpolator"] = train(wanted.out / "cache", interpolator, config)
    checkpoint = wanted.out / f"{last}.pt"
    if last == "speech":
        checkpoint = wanted.out / "call.pt"
        say(f"mixing: {SHARE:g} of the speech stage, the rest of the one before")
        mix(wanted.out / f"{before(last)}.pt", wanted.out / f"{last}.pt", checkpoint)
    figures["weights"] = run_export(checkpoint, interpolator, wanted.out / "weights")
    say("int8: scales are found on training people")
    small = int8.write(wanted.out / "cache", wanted.out / "weights", max(1, round(int8.SAMPLES * scale)))
    figures["weights"][small.name] = small.stat().st_size
    return figures
