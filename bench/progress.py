"""Progress of long work on stderr: a bar on a terminal, elsewhere a line every few seconds."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from codec.errors import reason

EVERY = 5.0
"""Seconds between two lines where there is no terminal."""
LOOK = 0.5
"""Seconds between two updates of :func:`clock`."""


Figures = dict[str, float]


class Case(Protocol):
    """One of the cases that a benchmark measures."""

    @property
    def name(self) -> str: ...


class Update(Protocol):
    """Reports how far the work is, with a note."""

    def __call__(self, done: float, note: str = "") -> None: ...


def _nothing(done: float, note: str = "") -> None:
    pass


def _words(done: float, total: float | None, unit: str) -> str:
    return f"{done:.0f}{f' of {total:.0f}' if total else ''} {unit}"


class _Lines:
    """A line every few seconds, for logs."""

    def __init__(self, what: str, total: float | None, unit: str) -> None:
        self._what, self._total, self._unit, self._last = what, total, unit, time.monotonic()

    def __call__(self, done: float, note: str = "") -> None:
        if (now := time.monotonic()) - self._last >= EVERY:
            self._last = now
            print(f"{self._what}: {_words(done, self._total, self._unit)}  {note}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def progress(what: str, total: float | None = None, unit: str = "", quiet: bool = False) -> Iterator[Update]:
    """Shows how far the work is; yields the function that reports it. ``total`` None: the amount is unknown."""
    if quiet:
        yield _nothing
    elif not sys.stderr.isatty():
        yield _Lines(what, total, unit)
    else:
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
        columns += [BarColumn(30)] if total else []
        columns += [TextColumn("{task.fields[text]}", markup=False), TimeElapsedColumn()]
        with Progress(*columns, console=Console(stderr=True, highlight=False, emoji=False), transient=True) as bar:
            task = bar.add_task(what, total=total, text="")

            def update(done: float, note: str = "") -> None:
                bar.update(task, completed=done, text=f"{_words(done, total, unit)}  {note}".rstrip())

            yield update


Look = Callable[[], tuple[float | None, str]]
"""(how far the work is, None for the time elapsed; a note)."""


@contextmanager
def clock(
    what: str, seconds: float | None = None, quiet: bool = False, look: Look = lambda: (None, ""), unit: str = "s"
) -> Iterator[None]:
    """Shows how long the work has been running, of about ``seconds``, or what ``look`` returns, which is
    called in a thread."""
    done, began = threading.Event(), time.monotonic()

    def work(update: Update) -> None:
        while not done.wait(LOOK):
            far, note = look()
            passed = time.monotonic() - began
            update(min(passed, seconds or passed) if far is None else far, note)

    with progress(what, seconds, unit, quiet) as update:
        thread = threading.Thread(target=work, args=(update,), daemon=True, name="progress")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(5)


def run_cases(
    cases: Sequence[Case], only: str | None, seconds: float, out: Path, run: Callable[[Any], Figures],
    row: Callable[[str, Figures], str], expected: tuple[type[Exception], ...], write: Callable[[str], object],
) -> tuple[dict[str, Figures], bool]:  # fmt: skip
    """Measure the cases whose name contains ``only``, ``seconds`` each, one after the other → (figures by name, whether all
    succeeded).

    Each result is written to ``out`` (JSON) and printed (``row``) as soon as it is there. A case that fails with an
    ``expected`` error gets a line on stderr, because that is a result, too.
    """
    found: dict[str, Figures] = {}
    well = True
    for case in cases:
        if only and only not in case.name:
            continue
        try:
            with clock(case.name, seconds):
                found[case.name] = run(case)
            out.write_text(json.dumps(found, indent=1) + "\n")
            write(row(case.name, found[case.name]) + "\n")
        except expected as error:
            print(f"{case.name}: {reason(error)}", file=sys.stderr)
            well = False
    return found, well
