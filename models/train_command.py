"""What ``facewire train`` and ``facewire export`` do; torch is only imported here and below."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("training needs torch: pip install 'facewire[train]'") from error


def run_training(
    data: Path, losses: Path, out: Path, stage: str, steps: int, batch: int, rate: float, threads: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Prepare the data once, then train ``stage`` to ``steps``; a run found in ``out`` is taken up again.

    Raises ``ValueError`` for an unknown stage, ``FileNotFoundError`` for missing data, ``ImportError`` without torch.
    """
    _need_torch()
    from models.data import prepare
    from models.training import TrainConfig, Trainer

    if stage not in ("coarse", "full"):
        raise ValueError(f"stage {stage!r} is not coarse or full")
    for path in (data / "clips.tsv", losses / "lpips_vgg16.pth", losses / "lpips_alexnet.pth"):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    cache = out / "cache"
    for split in ("train", "dev"):
        if not (cache / split / "index.json").exists():
            say(f"preparing {split}: every clip is decoded once")
            prepare(data, cache, split)
    start = out / "coarse.pt" if stage == "full" else None
    if start and not start.exists():
        raise FileNotFoundError(f"no such file: {start} (train --stage coarse first)")
    perceptual = 0.6 if stage == "coarse" else 3.0
    config = TrainConfig(stage, cache, losses, out, steps=steps, batch=batch, rate=rate, perceptual=perceptual, threads=threads)
    trainer = Trainer(config, start)
    if trainer.step:
        say(f"going on from step {trainer.step}")
    last: dict[str, Any] = {}

    def report(row: dict[str, float]) -> None:
        last.update(row)
        say("  ".join(f"{k} {v:.4g}" for k, v in row.items()))

    trainer.run(report)
    return {"stage": stage, "checkpoint": str(trainer.checkpoint), **last}


def run_export(checkpoint: Path, interpolator: Path, out: Path) -> dict[str, Any]:
    """Checkpoints → ONNX files in ``out``; gives their sizes in bytes. Raises ``FileNotFoundError``, ``ImportError``."""
    _need_torch()
    from models.export import export

    for path in (checkpoint, interpolator):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    out.mkdir(parents=True, exist_ok=True)
    export(checkpoint, interpolator, out)
    return {p.name: p.stat().st_size for p in sorted(out.glob("*.onnx"))}
