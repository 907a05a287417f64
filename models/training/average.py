"""Averages of two checkpoints' weights: ``python -m models.training.average A.pt B.pt OUT.pt
[--share S]``, S of B and the rest of A.

When a training stage improves one thing and worsens another, a mixture of the weights before and
after it keeps more of both than stopping half way (Wortsman et al., "Robust fine-tuning of
zero-shot models", 2022).
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from models.training.checkpoint import averaged
from models.whole_file import write_whole

SHARE = 0.6
"""Share of the speech stage in the shipped weights; the rest is the finish stage's (docs/decisions.md)."""


def mix(before: Path, after: Path, out: Path, share: float = SHARE) -> None:
    """Write the mixture of the averaged weights (``ema``) of two checkpoints of one network.

    Raises ``FileNotFoundError``, and ``ValueError`` for a share outside 0..1 or checkpoints that
    do not match.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} is outside 0..1")
    a, b = (averaged(path) for path in (before, after))
    if {k: v.shape for k, v in a.items()} != {k: v.shape for k, v in b.items()}:
        raise ValueError(f"{before} and {after} are of different networks")
    mixed = {k: torch.lerp(v, b[k], share) if v.is_floating_point() else b[k] for k, v in a.items()}
    write_whole(out, partial(torch.save, {"ema": mixed}))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.average", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=SHARE, help="share of the second checkpoint")
    given = parser.parse_args()
    try:
        mix(given.before, given.after, given.out, given.share)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
