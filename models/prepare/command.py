"""What ``facewire train prepare`` does: a folder of raw videos → shards, in many processes."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import blake2b
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from models.prepare.job import Outcome, Preparer, Settings
from models.prepare.people import WAYS, identity_of, split_of
from models.prepare.store import MANIFEST, SPLITS, Store, read_journal, read_lines
from models.prepare.sync import load_score

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".3gp", ".ts")


def find_videos(raw: Path) -> list[str]:
    """All videos below ``raw``, as relative paths, in an order that mixes people, so that every
    shard holds many."""
    found = [p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    return sorted(found, key=lambda source: blake2b(source.encode(), digest_size=8).digest())


_preparer: Preparer | None = None


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _begin(raw: Path, settings: Settings) -> None:
    global _preparer
    # Ctrl-C reaches all processes of a terminal: exit without first finishing an hour-long video, and without a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # Workers of a killed run would wait for work for ever: each holds the others' queue open.
    Thread(target=_leave_with_parent, daemon=True).start()
    _preparer = Preparer(raw, settings)


def _run(source: str) -> Outcome:
    assert _preparer is not None
    return _preparer.run(source)


@contextmanager
def _pool(raw: Path, settings: Settings, workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: ONNX Runtime and OpenCV have threads by now.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (raw, settings))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def outcomes(raw: Path, sources: list[str], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Prepare ``sources`` in ``workers`` processes; yields their outcomes as they are ready.

    A file that kills its process (decoders have bugs) breaks the pool: the files in progress are then
    tried again, each in a process of its own, and the one that caused it is reported as broken.
    """
    if workers == 1:
        preparer = Preparer(raw, settings)
        yield from map(preparer.run, sources)
        return
    waiting, running, suspects = sources[::-1], dict[Future[Outcome], str](), list[str]()
    while waiting:
        with _pool(raw, settings, workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * workers:  # no more, or finished clips would pile up in memory
                        future = pool.submit(_run, waiting[-1])
                        running[future] = waiting.pop()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        outcome = future.result()
                        del running[future]
                        yield outcome
            except BrokenProcessPool:
                suspects += running.values()
                running.clear()
        for source in suspects:
            with _pool(raw, settings, 1) as pool:
                try:
                    yield pool.submit(_run, source).result()
                except BrokenProcessPool:
                    split = split_of(identity_of(Path(source), settings.identity_from), settings.dev_share)
                    size = (raw / source).stat().st_size
                    yield Outcome(source, size, split, error="the decoder crashed on it")
        suspects.clear()


def run_prepare(
    raw: Path, out: Path, workers: int | None = None, identity_from: str = "file", sync: Path | None = None,
    dev_share: float = 0.02, say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Prepare every video below ``raw`` that ``out`` does not hold yet; returns figures over all of ``out``.

    ``workers`` None: one for each core. ``say`` is called with one line for each broken video, and
    with the progress. Raises ``FileNotFoundError`` for a missing folder or file, ``ValueError`` for
    settings that are wrong or differ from those with which ``out`` was begun, ``ImportError`` when
    ``sync`` is requested without torch.
    """
    if not raw.is_dir():
        raise FileNotFoundError(f"no such folder: {raw}")
    if identity_from not in WAYS:
        raise ValueError(f"identity from {identity_from!r} is not {' or '.join(WAYS)}")
    if not 0 <= dev_share < 1:
        raise ValueError(f"a dev share of {dev_share:g} is not in [0, 1)")
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise ValueError(f"{workers} workers: at least 1 is needed")
    if sync:
        load_score(sync)  # so that a wrong file is reported here, and once
    sources = find_videos(raw)
    if not sources:
        raise ValueError(f"no videos in {raw} ({', '.join(SUFFIXES)})")
    for source in sources:
        identity_of(Path(source), identity_from)
    settings = Settings(identity_from, dev_share, sync)
    with Store(out, {"identity_from": identity_from, "dev_share": dev_share, "sync": bool(sync)}) as store:
        left = [s for s in sources if not store.done(s, (raw / s).stat().st_size)]
        say(f"{len(sources)} videos, {len(sources) - len(left)} of them done")
        for number, outcome in enumerate(outcomes(raw, left, settings, min(workers, max(1, len(left)))), 1):
            store.add(outcome)
            if outcome.error:
                say(f"{outcome.source}: {outcome.error}")
            if number % 100 == 0:
                say(f"{number} of {len(left)} videos")
    return _figures(out)


def _figures(out: Path) -> dict[str, Any]:
    videos, clips = list(read_journal(out).values()), read_lines(out / MANIFEST)
    dropped: Counter[str] = Counter()
    for video in videos:
        dropped.update(video["dropped"])
    hours = 3600.0 * 25
    figures: dict[str, Any] = {
        "videos": len(videos), "broken": sum(bool(v["error"]) for v in videos),
        "hours_in": sum(v["seconds"] for v in videos) / 3600, "hours_out": sum(c["frames"] for c in clips) / hours,
        "bytes": sum(p.stat().st_size for p in out.glob("*.tar")),
    }  # fmt: skip
    for split in SPLITS:
        own = [c for c in clips if c["split"] == split]
        figures |= {f"{split}_clips": len(own), f"{split}_people": len({c["identity"] for c in own})}
    return figures | {f"dropped_{k.replace(' ', '_')}_hours": v / hours for k, v in dropped.items()}
