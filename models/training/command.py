"""What ``facewire train`` does; torch is imported only within the functions."""

from collections.abc import Callable
from typing import Any

from models.training.runs import TrainRequest, need_torch, run_call, run_paper, sharded

NETWORKS = ("call", "paper", "paper-reduced")


def _check(wanted: TrainRequest) -> None:
    if wanted.network not in NETWORKS:
        raise ValueError(f"network {wanted.network!r} is not {', '.join(NETWORKS[:-1])} or {NETWORKS[-1]}")
    listed = wanted.data / ("manifest.jsonl" if sharded(wanted.data) else "clips.tsv")
    for path in (listed, wanted.losses / "lpips_vgg16.pth", wanted.losses / "lpips_alexnet.pth"):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")


def run(wanted: TrainRequest, reproduce: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Run ``facewire train``; of several processes only the first returns figures.

    Raises ``ValueError``, ``FileNotFoundError``, and ``ImportError`` without torch.
    """
    need_torch()
    from models.training.distributed import join
    from models.training.recipe import run_recipe

    _check(wanted)
    first = join().first
    report = say if first else lambda _: None
    if reproduce:
        given = (wanted.stage, wanted.steps, wanted.batch, wanted.rate)
        if wanted.network != "call" or any(g is not None for g in given):
            raise ValueError("--reproduce brings its own stages, steps, batches and rates, and trains call")
        figures = run_recipe(wanted, report)
    else:
        figures = run_call(wanted, report) if wanted.network == "call" else run_paper(wanted, report)
    return figures if first else {}
