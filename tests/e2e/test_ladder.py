"""With enough bandwidth a call climbs the ladder: shorter ticks, better sound, and no losses at the change."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.demo import shipped_clip
from tests.e2e.processes import MOST, facewire, finish_all, follow

pytestmark = pytest.mark.e2e


async def test_a_call_with_enough_bandwidth_climbs_the_ladder(server: str, tmp_path: Path) -> None:
    common, stats = ("room", "--server", server, "--json"), tmp_path / "stats.jsonl"
    receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
    more = ("--loop", "--limit", "20", "--stats", str(stats))
    sender = await facewire("send", *common, "--video", str(shipped_clip()), *more)
    # If the machine is so busy that reports come late, the call correctly steps down again and climbs later.
    climbed = asyncio.create_task(follow(stats, sender, lambda lines: sum(line["tick_ms"] == 100 for line in lines) >= 4))
    (sent_code, sent, sent_error), (code, received, error) = await finish_all(sender, receiver, seconds=MOST + 60)
    await climbed
    assert sent_code == 0, sent_error
    assert code == 0, error
    lines = [json.loads(line) for line in stats.read_text().splitlines()]
    assert lines[0]["tick_ms"] == 200
    assert min(line["tick_ms"] for line in lines) == 100
    assert json.loads(sent)["speech_kbps"] > 6
    heard = json.loads(received)
    assert heard["bundles_broken"] == 0
    assert heard["ticks"] > 5 * len(lines) * 0.5
