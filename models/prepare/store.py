"""Where prepared clips go: shards, a line in ``manifest.jsonl`` for each clip, and the journal
``videos.jsonl``.

A video is done once its journal line is written. A shard that is being filled is called
``SPLIT-000000.tar.part``; the journal records up to which byte it holds complete videos, so what a
killed run left half written is cut off and filling continues.
"""

import json
import os
import tarfile
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from models.prepare.samples import write_sample

if TYPE_CHECKING:  # training reads the manifest, and needn't load the networks that find faces
    from models.prepare.job import Outcome

SHARD_BYTES = 500_000_000
MANIFEST = "manifest.jsonl"
JOURNAL = "videos.jsonl"
SETTINGS = "prepare.json"
SPLITS = ("train", "dev")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file; none where it is missing. A last line that was cut short is left out."""
    if not path.exists():
        return []
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def read_journal(out: Path) -> dict[str, dict[str, Any]]:
    """The journal's row for each processed video, by its path below the raw folder; the last try counts."""
    return {row["source"]: row for row in read_lines(out / JOURNAL)}


def _rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.replace(path)


class _Shard:
    """One tar file that grows, from byte ``at`` on."""

    def __init__(self, path: Path, at: int) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self._file = self.part.open("r+b" if at else "wb")
        self._file.truncate(at)
        self._file.seek(at)
        self.tar = tarfile.TarFile(fileobj=self._file, mode="w")

    def end(self) -> int:
        """Bytes written so far, on disk."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        self.tar.close()
        self._file.close()
        self.part.replace(self.path)


class Store:
    """The folder ``out``. All runs into it must have the same ``settings``. Use it in a ``with`` statement.

    Raises ``ValueError`` when the folder was begun with other settings, or another process is filling it.
    """

    def __init__(self, out: Path, settings: dict[str, Any], shard_bytes: int = SHARD_BYTES) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._shard_bytes = out, shard_bytes
        self._lock = _lock(out)
        begun = json.loads((out / SETTINGS).read_text()) if (out / SETTINGS).exists() else settings
        if begun != settings:
            other = ", ".join(f"{k} {begun.get(k)}, not {v}" for k, v in settings.items() if begun.get(k) != v)
            raise ValueError(f"{out} was begun with {other}: another split would put people in both")
        (out / SETTINGS).write_text(json.dumps(settings) + "\n")
        self._done = read_journal(out)
        _rewrite(out / JOURNAL, list(self._done.values()))
        _rewrite(out / MANIFEST, [row for row in read_lines(out / MANIFEST) if row["source"] in self._done])
        self._journal, self._manifest = (out / JOURNAL).open("a"), (out / MANIFEST).open("a")
        self._shards: dict[str, _Shard] = {}
        for split in SPLITS:
            self._take_up(split)

    def _take_up(self, split: str) -> None:
        for part in sorted(self._out.glob(f"{split}-*.tar.part")):
            shard = part.with_suffix("")
            end = max((row["end"] for row in self._done.values() if row["shard"] == shard.name), default=0)
            if end > part.stat().st_size:
                raise ValueError(f"{part} is shorter than {JOURNAL} says: it is damaged")
            self._shards[split] = _Shard(shard, end)

    def done(self, source: str, size: int) -> bool:
        """Whether the video was processed. A broken one is tried again if its size has changed since."""
        row = self._done.get(source)
        return row is not None and (not row["error"] or row["bytes"] == size)

    def add(self, outcome: "Outcome") -> None:
        """Write all clips of one video into one shard, then its journal line."""
        name: str | None = None
        end = 0
        if outcome.samples:
            shard = self._shards.get(outcome.split) or self._next(outcome.split)
            for sample in outcome.samples:
                write_sample(shard.tar, sample)
                where = {"key": sample.key, "split": outcome.split, "shard": shard.path.name}
                self._manifest.write(json.dumps(where | sample.info) + "\n")
            self._manifest.flush()
            name, end = shard.path.name, shard.end()
        row: dict[str, Any] = {
            "source": outcome.source, "bytes": outcome.bytes, "error": outcome.error, "seconds": outcome.seconds,
            "clips": len(outcome.samples), "dropped": dict(outcome.dropped), "shard": name, "end": end,
        }  # fmt: skip
        self._done[outcome.source] = row
        self._journal.write(json.dumps(row) + "\n")
        self._journal.flush()
        if end >= self._shard_bytes:
            self._shards.pop(outcome.split).close()

    def _next(self, split: str) -> _Shard:
        numbers = [int(p.name.removeprefix(f"{split}-")[:6]) for p in self._out.glob(f"{split}-??????.tar")]
        self._shards[split] = _Shard(self._out / f"{split}-{max(numbers, default=-1) + 1:06d}.tar", 0)
        return self._shards[split]

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finish the shards; after an error or an interruption they stay as they are, to be filled further."""
        for file in (self._journal, self._manifest):
            file.close()
        if kind is None:
            for shard in self._shards.values():
                shard.close()
        self._lock.close()


def _lock(out: Path) -> IO[str]:
    file = (out / ".lock").open("w")
    if os.name == "posix":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"another process is preparing into {out}") from error
    return file
