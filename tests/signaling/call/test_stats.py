"""A call's figures over time."""

import asyncio
import io
import json
import mmap
import sys
from types import SimpleNamespace

import pytest

from signaling.call import stats
from signaling.call.call import Call
from signaling.call.stats import line, log_stats, resident_mb
from signaling.config import IceConfig


@pytest.mark.virtual_time
async def test_one_line_a_second_with_the_known_figures(monkeypatch):
    monkeypatch.setattr(stats, "time", SimpleNamespace(monotonic=asyncio.get_running_loop().time))
    call, file = Call(IceConfig()), io.StringIO()
    task = asyncio.create_task(log_stats(call, file))
    await asyncio.sleep(4.5)
    task.cancel()
    found = [json.loads(text) for text in file.getvalue().splitlines()]
    assert [x["t"] for x in found] == [1.0, 2.0, 3.0, 4.0]
    assert found[0]["connected"] is False
    assert (found[0]["out"], found[0]["in"]) == (0, 0)
    assert "fps" not in line(call, 1.0)  # nothing was received


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports resident memory this way")
def test_the_memory_of_this_process_is_reported():
    before = resident_mb()
    with mmap.mmap(-1, 50_000_000) as kept:  # new pages, not pages that were freed before
        kept.write(bytes(50_000_000))
        assert resident_mb() > before + 40
