"""With room a call climbs the ladder: shorter ticks, better sound, nothing lost on the way."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.demo import shipped_clip
from tests.e2e.processes import facewire, finish

pytestmark = pytest.mark.e2e

SECONDS = 24


async def test_a_call_with_room_climbs(server: str, tmp_path: Path) -> None:
    common = ("room", "--server", server, "--json")
    receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
    more = ("--loop", "--seconds", str(SECONDS), "--limit", "20")
    sender = await facewire("send", *common, "--video", str(shipped_clip()), *more)
    (sent_code, sent, sent_error), (code, received, error) = await asyncio.gather(
        finish(sender, SECONDS + 60), finish(receiver, SECONDS + 60)
    )
    assert sent_code == 0, sent_error
    assert code == 0, error
    figures, heard = json.loads(sent), json.loads(received)
    assert figures["tick_ms"] == 100
    assert figures["speech_kbps"] > 6
    assert heard["bundles_broken"] == 0
    assert heard["ticks_concealed"] < 0.15 * heard["ticks"]
