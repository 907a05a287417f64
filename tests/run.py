"""Runs the whole suite in parts and sums up the results: ``python tests/run.py [PYTEST ARGUMENTS]``.
With arguments, it runs only a single pytest with them.

Each part is a process of its own, because a thread of libswscale crashed in a single process for
everything (docs/decisions.md). First come the parts that keep a core busy, then those that mostly
wait, two at a time. The real calls come last, because they need the machine to themselves.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from bench.browsers.chromium import family

BUSY = (
    "tests/models/[!_f-q]*/", "tests/models/[f-q]*/", "tests/bench", "tests/receiver", "tests/test_*.py", "tests/codec",
)  # fmt: skip
WAITING = ("tests/sender", "tests/signaling/[!t_]*/", "tests/signaling/transport", "tests/signaling/test_*.py")
CALLS = ("tests/bench", "tests/signaling", "tests/e2e")
LONGEST = 1500.0
"""Limit in seconds for a part."""
_print = Lock()


def paths(part: str) -> list[str]:
    """The files or the folder of a part, as arguments for pytest."""
    return sorted(glob(part, root_dir=ROOT)) or [part]


class Total:
    """The summed results of all parts."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, itertools.count()
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.codes: list[int] = []

    def run(self, part: str, mark: str) -> None:
        """Run pytest on one part; its output is printed when it has ended."""
        record = self._folder / f"{next(self._numbers)}.xml"
        words = [sys.executable, "-m", "pytest", "-m", mark, "--durations=5", f"--junitxml={record}", *paths(part)]
        began = time.monotonic()
        process = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=LONGEST)
            code = process.returncode
        except subprocess.TimeoutExpired:
            for pid in family(process.pid):  # browsers and peers started by a test would slow down all others
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            said, code = f"{process.communicate()[0]}\nended: it took more than {LONGEST:.0f} s", 1
        with _print:
            print(f"== {part} ({mark}), {time.monotonic() - began:.0f} s\n{said.rstrip()}", flush=True)
        self.codes.append(code)
        self._read(record)

    def _read(self, record: Path) -> None:
        if not record.exists():
            return
        for case in ElementTree.parse(record).iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = next((k for k in ("failure", "error", "skipped") if k in kinds), "passed")
            self.counts["failed" if outcome in ("failure", "error") else outcome] += 1
            if outcome == "skipped":
                self.skipped[case.find("skipped").get("message", "no reason given")] += 1  # type: ignore[union-attr]

    def report(self) -> int:
        """Print the totals, and the skipped tests by reason; returns 0 if all parts succeeded."""
        for why, count in self.skipped.most_common():
            print(f"skipped {count}: {why}")
        print(f"{self.counts['passed']} passed, {self.counts['failed']} failed, {self.counts['skipped']} skipped")
        return int(any(self.codes) or not self.counts["passed"])


def run(busy: Sequence[str] = BUSY, waiting: Sequence[str] = WAITING, calls: Sequence[str] = CALLS) -> int:
    """Run all parts; returns the exit code."""
    with TemporaryDirectory(prefix="facewire-") as folder:
        total = Total(Path(folder))
        for parts in (busy, waiting):
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda part: total.run(part, "not e2e"), parts))
        for part in calls:
            total.run(part, "e2e")
        return total.report()


if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT) if sys.argv[1:] else run())
