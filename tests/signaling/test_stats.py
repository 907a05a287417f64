"""A call's numbers over time."""

import asyncio
import io
import json
import sys

import pytest

from signaling.call import Call
from signaling.config import IceConfig
from signaling.stats import line, log_stats, resident_mb


async def test_a_line_a_second_with_what_there_is():
    call, file = Call(IceConfig()), io.StringIO()
    task = asyncio.create_task(log_stats(call, file, every=0.02))
    await asyncio.sleep(0.2)
    task.cancel()
    found = [json.loads(text) for text in file.getvalue().splitlines()]
    assert len(found) > 3
    assert [x["t"] for x in found] == sorted(x["t"] for x in found)
    assert found[0]["connected"] is False
    assert (found[0]["out"], found[0]["in"]) == (0, 0)
    assert "fps" not in line(call, 1.0)  # nothing is received


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't tell it so")
def test_memory_is_that_of_this_process():
    before = resident_mb()
    kept = bytearray(b"x") * 50_000_000
    assert resident_mb() > before + 40
    del kept
