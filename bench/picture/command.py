"""The benchmark that ``facewire bench`` runs."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.extras import install_command

Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchRequest:
    """What the user asked for; see ``facewire bench --help``."""

    clips: list[Path]
    out: Path
    codecs: str | None = None
    modes: str | None = None
    formats: str | None = None
    losses: Path | None = None
    sync: Path | None = None
    weights: Path | None = None
    every: int = 50
    threads: int = 2
    html: bool = True


def _modes(text: str | None) -> Sequence[str]:
    from bench.reference_codecs.codecs import MODES

    chosen = _split(text) or ["both"]
    return MODES if chosen == ["both"] else chosen


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def run_bench(wanted: BenchRequest, say: Say) -> dict[str, Any]:
    """Judge the clips; writes bench.json, bench.csv and bench.html into ``out``.

    Raises ``ImportError`` without the ``bench`` extra, ``SourceError``, ``FfmpegError``,
    ``WeightsMissingError``, ``ValueError``, ``OSError``.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"the benchmark needs its extra: {install_command('bench')}") from error
    from bench.metrics.panel import Panel
    from bench.metrics.sync import load_expert
    from bench.picture.benchmark import Plan, Tools, chosen_rivals, run
    from bench.picture.html_report import html, players
    from bench.picture.results import to_csv, to_json
    from bench.picture.variants import Renderer
    from bench.reference_codecs.codecs import FORMATS, parse_format
    from codec.media.files import file_frames
    from models.runtime.upsampler import Interpolator

    torch.set_num_threads(wanted.threads)
    for clip in wanted.clips:
        if not clip.is_file():
            raise FileNotFoundError(f"no such file: {clip}")
        next(file_frames(clip))  # an unreadable one is reported now, not hours later
    formats = [parse_format(f) for f in _split(wanted.formats) or []] or FORMATS
    plan = Plan(wanted.clips, _split(wanted.codecs), _modes(wanted.modes), formats, wanted.every)
    expert = load_expert(wanted.sync) if wanted.sync else None
    tools = Tools(
        Panel(wanted.losses, True),
        Renderer(wanted.weights, threads=wanted.threads),
        Interpolator(wanted.weights),
        expert,
    )
    for note in tools.panel.notes:
        say(note)
    rivals = chosen_rivals(plan)  # reports what is missing before anything is written
    wanted.out.mkdir(parents=True, exist_ok=True)

    def keep(found: dict[str, Any]) -> None:
        (wanted.out / "bench.json").write_text(to_json(found))
        (wanted.out / "bench.csv").write_text(to_csv(found))

    found = run(plan, rivals, tools, say, keep)
    keep(found)
    if wanted.html:
        say("rendering the videos of the page's players")
        shown = players(wanted.clips[0], found["clips"][0]["points"], tools)
        (wanted.out / "bench.html").write_text(html(found, shown), "utf-8")
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    from rich.console import Console

    from bench.picture.results import summary

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for table in summary(found):
        console.print(table)
