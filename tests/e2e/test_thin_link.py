"""A call over a link with less than the usual bandwidth: two bundles share a packet, so that the call fits."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.calls.relay import Impairment, behind
from bench.demo import shipped_clip
from tests.e2e.processes import facewire, finish_all

pytestmark = pytest.mark.e2e

SECONDS = 36
PAIR = 330
"""The least size in bytes of a datagram with two bundles; one with a single bundle has at most 300."""
KEYFRAME = 700
"""The least size in bytes of a datagram with a chunk of a keyframe."""


async def test_a_link_of_10_kbit_s_carries_a_call_in_pairs(server: str, tmp_path: Path) -> None:
    loop, seen = asyncio.get_running_loop(), list[tuple[float, int]]()
    async with behind(server, Impairment(kbps=10.5, queue=1.5, delay=0.03)) as (relay, url):
        relay.on_datagram = lambda _, data: seen.append((loop.time(), len(data)))
        common = ("thin", "--server", url, "--json")
        receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
        sender = await facewire(
            "send", *common, "--video", str(shipped_clip()), "--loop", "--seconds", str(SECONDS), "--no-refresh"
        )
        (sent_code, sent, sent_error), (code, received, error) = await finish_all(sender, receiver, seconds=SECONDS + 90)
    assert sent_code == 0, sent_error
    assert code == 0, error
    heard = json.loads(received)
    assert heard["bundles_broken"] == 0
    assert heard["ticks"] > 100
    assert json.loads(sent)["pictures"] > 100
    end = seen[-1][0]
    pairs = sum(PAIR <= size < KEYFRAME and end - 25 < at for at, size in seen)
    assert pairs > 10, "about 60 are possible in 25 seconds; single bundles are tried again now and then"
    # Without pairs a tenth of all bundles would be lost, and each would come 1.5 s late.
    assert relay.count.lost < 0.05 * relay.count.passed
