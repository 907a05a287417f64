"""Training logs → one picture of the curves. ``python -m bench.curves OUT.png STAGE.jsonl…``

Logs of one stage (equal file names) are joined on the axis of steps in the order given, as runs each of
which started from the previous one's weights. On the left are the losses on the training people, on the
right PSNR and LPIPS on the dev people. Needs the ``bench`` extra.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from codec.errors import reason

Row = dict[str, float]

LOSSES = {"rec": "L1 of the picture", "warp": "L1 of the warp", "lpips": "LPIPS-VGG"}


def joined(logs: Sequence[Path]) -> dict[str, list[Row]]:
    """Rows of each stage; steps are counted on from log to log. Raises ``ValueError`` for a file that isn't a log."""
    stages: dict[str, list[Row]] = {}
    for log in logs:
        done, rows = stages.setdefault(log.stem, []), list[Row]()
        before = done[-1]["step"] if done else 0.0
        try:
            for line in log.read_text().splitlines():
                row = json.loads(line)
                # A run that was killed resumes from its last checkpoint, and repeats some steps.
                rows = [r for r in rows if r["step"] < before + row["step"]] + [row | {"step": before + row["step"]}]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{log} is not a training log") from error
        if not rows:
            raise ValueError(f"{log} is empty")
        done += rows
    return stages


def plot(stages: dict[str, list[Row]], out: Path) -> None:
    """Write the picture: a row of plots for each stage."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(stages), 2, figsize=(11, 3.4 * len(stages)), squeeze=False, layout="constrained")
    for (stage, rows), (left, right) in zip(stages.items(), axes, strict=True):
        for key, name in LOSSES.items():
            points = [(r["step"], r[key]) for r in rows if key in r]
            if points:
                left.plot(*zip(*points, strict=True), label=name)
        left.set(title=f"{stage}: losses on the training people", xlabel="steps", yscale="log")
        left.legend()
        judged = [r for r in rows if "psnr" in r]
        right.plot([r["step"] for r in judged], [r["psnr"] for r in judged], "o-", color="C0", label="PSNR, dB")
        right.set(title=f"{stage}: dev people", xlabel="steps", ylabel="PSNR, dB")
        handles = right.get_lines()
        if any("lpips" in r for r in judged):
            other = right.twinx()
            other.plot([r["step"] for r in judged], [r["lpips"] for r in judged], "s--", color="C1", label="LPIPS (AlexNet)")
            other.set_ylabel("LPIPS")
            handles = [*handles, *other.get_lines()]
        right.legend(handles=handles)
        left.grid(alpha=0.3)
        right.grid(alpha=0.3)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str]) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    if len(arguments) < 2:
        print("python -m bench.curves OUT.png STAGE.jsonl…", file=sys.stderr)
        return 1
    try:
        plot(joined([Path(a) for a in arguments[1:]]), Path(arguments[0]))
    except (OSError, ValueError, ImportError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
