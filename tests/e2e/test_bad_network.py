"""Two real peers through a relay with 10 % loss and a delay of 60 ± 30 ms: the call survives a change
of address and a blackout."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from bench.calls.relay import Impairment, behind
from bench.demo import shipped_clip
from tests.e2e.processes import facewire, finish_all
from tests.waiting import until

pytestmark = pytest.mark.e2e

SECONDS = 40
BLACKOUT = 5.0
"""Seconds. On a busy machine no picture may be rendered for one or two of them."""


async def test_a_call_survives_loss_jitter_a_new_address_and_a_blackout(server: str, tmp_path: Path) -> None:
    async with behind(server, Impairment(loss=0.10, delay=0.060, jitter=0.030)) as (relay, url):
        common = ("bad", "--server", url, "--trace", str(tmp_path), "--json")
        receiver = await facewire("receive", *common, "--out", str(tmp_path / "out.mp4"))
        sender = await facewire("send", *common, "--video", str(shipped_clip()), "--loop", "--seconds", str(SECONDS))

        survived = []

        async def trouble() -> None:
            await until(lambda: relay.count.passed > 150, SECONDS)  # both peers are sending
            for name in ("a new address", "a blackout"):
                before = relay.count.passed
                if name == "a blackout":
                    relay.blocked = True
                    await asyncio.sleep(BLACKOUT)
                    relay.blocked = False
                else:
                    relay.cut()  # only a new connection carries anything from now on
                await until(lambda: relay.count.passed > before + 80, SECONDS)  # noqa: B023
                survived.append(name)

        troubling = asyncio.create_task(trouble())
        (sent_code, sent, sent_error), (code, received, error) = await finish_all(sender, receiver, seconds=SECONDS + 90)
        troubling.cancel()
    assert sent_code == 0, sent_error
    assert code == 0, error
    assert survived == ["a new address", "a blackout"]
    figures = json.loads(received)
    assert relay.count.lost > 0.05 * relay.count.passed
    assert figures["ticks_concealed"] > 5
    assert figures["bundles_broken"] == 0
    shown = np.load(tmp_path / "shown.npz")
    times = shown["times"] - shown["times"][0]
    assert times[-1] > SECONDS - 8
    # Pictures were shown in the blackout, too: a picture is held in place of lost ones.
    assert np.diff(times).max() < BLACKOUT
    # In the last ten seconds the sender's pictures arrive again; on a busy machine some are held for a long time.
    crops = np.load(tmp_path / "sent.npz")
    where = {int(n): i for i, n in enumerate(crops["numbers"])}
    late = [(where[int(n)], i) for i, n in enumerate(shown["numbers"]) if int(n) in where and times[i] > times[-1] - 10]
    pictures, frames = crops["crops"], shown["frames"]  # read once: each look at an npz file decompresses it
    errors = [((pictures[a].astype(float) - frames[b]) ** 2).mean() for a, b in late]
    assert 10 * np.log10(255**2 / sorted(errors)[2]) > 20
    assert json.loads(sent)["pictures"] > 100
