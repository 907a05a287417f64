"""``python -m models.distill CACHE LOSSES OUT --stage coarse``, then ``--stage full``: ``small`` out of ``call``.

CACHE is what ``facewire train`` prepared (``RUN/cache``), LOSSES the folder of the perceptual losses. ``OUT/STAGE.pt`` is
the checkpoint, from which the same command resumes; ``full`` starts from ``OUT/coarse.pt``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

STAGES: dict[str, tuple[int, int, float]] = {"coarse": (3500, 32, 1e-3), "full": (2000, 16, 4e-4)}
"""Steps, batch and rate of each stage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m models.distill", description=__doc__)
    for name in ("cache", "losses", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--stage", choices=tuple(STAGES), required=True)
    parser.add_argument("--call", type=Path, help="the teacher's weights; the shipped ones by default")
    parser.add_argument("--from", dest="start", type=Path, help="a checkpoint, or step-small-int8.onnx, to start from")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    for name in ("steps", "batch", "rate", "threads"):
        if (value := getattr(given, name)) is not None and value <= 0:
            parser.error(f"--{name} is {value}, not above 0")
    from models.distill.trainer import DistillConfig, Distiller
    from models.runtime.upsampler import WeightsMissingError, weights_folder

    steps, batch, rate = STAGES[given.stage]
    before = given.out / "coarse.pt"
    start = given.start or (before if given.stage == "full" and before.exists() else None)

    def report(row: dict[str, float]) -> None:
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)

    try:
        config = DistillConfig(
            given.stage, given.cache, given.losses, given.out, given.steps or steps, given.batch or batch, given.rate or rate,
            threads=given.threads, call=given.call or weights_folder(),
        )  # fmt: skip
        Distiller(config, start).run(report)
    except (OSError, ValueError, KeyError, WeightsMissingError) as error:
        print(f"distill: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
