"""The bench of calls from a link: the table of its figures, and the memory of a browser's processes."""

import os
import subprocess
import sys

from bench.browsers.chromium import _own_mb, family
from bench.calls.page_call import table


def test_the_table_has_one_row_per_call() -> None:
    figures = {
        "pixels_s": 0.9, "face_s": 1.2, "fps": 24.0, "drawn_fps": 8.0, "delay_ms": 391.0, "kbps_least": 11.6, "kbps_most": 13.3,
        "concealed": 0.02, "memory_mb": [812, 830],
    }  # fmt: skip
    heading, _, row = table({"facewire send": figures}).splitlines()
    assert row == "| facewire send | 0.9 | 1.2 | 24.0 | 8.0 | 391 | 11.6, 13.3 | 2% | 830 |"
    assert heading.count("|") == row.count("|")


def test_the_memory_of_all_processes_is_counted() -> None:
    script = "held = bytearray(64_000_000); print(len(held), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdout.readline()
        assert {os.getpid(), child.pid} <= family(os.getpid())
        assert _own_mb(child.pid) > 64
    finally:
        child.communicate(b"\n")
    assert child.pid not in family(os.getpid())
    assert _own_mb(child.pid) == 0
