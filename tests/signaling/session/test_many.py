"""Several calls in one process: their rooms, files, and figures."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.demo import run_peer, shipped_clip
from signaling.config import IceConfig
from signaling.session.many import configs
from signaling.session.session import Session, SessionConfig
from tests.e2e.processes import facewire, finish
from tests.waiting import PATIENCE


def test_files_get_a_number_and_pages_their_own_port(tmp_path):
    config = SessionConfig("s", "r", outs=["page", str(tmp_path / "a.mp4"), "b.fw"], page_port=9000, stats=tmp_path / "s.jsonl")
    one, two = configs(config, 2)
    assert (one.room, two.room) == ("r-1", "r-2")
    assert two.outs == ["page", str(tmp_path / "a-2.mp4"), "b-2.fw"]
    assert (one.page_port, two.page_port) == (9000, 9001)
    assert two.stats == tmp_path / "s-2.jsonl"
    assert one.ice == IceConfig()
    assert replace(config, outs=["window"]).numbered(3).outs == ["window"]


@pytest.mark.e2e
async def test_two_calls_at_once(url, tmp_path: Path):
    receiving = await facewire(
        "receive", "hall", "--server", url, "--many", "2", "--out", str(tmp_path / "o.mp4"), "--device", "cpu", "--json"
    )
    sending = [
        run_peer(
            ["send", f"hall-{n}", "--server", url, "--video", str(shipped_clip()), "--seconds", "8", "--loop"], lambda _: None
        )
        for n in (1, 2)
    ]
    try:
        await asyncio.gather(*sending)
        code, out, error = await finish(receiving, 60)
    finally:
        if receiving.returncode is None:
            receiving.kill()
            await receiving.wait()
    assert code == 0, (error, out)
    figures = json.loads(out)
    assert (figures["calls"], figures["failed"]) == (2, 0)
    assert figures["frames"] == sum(figures[f"hall-{n}"]["frames"] for n in (1, 2))
    for n in (1, 2):
        assert figures[f"hall-{n}"]["frames"] > 10
        assert (tmp_path / f"o-{n}.mp4").stat().st_size > 10_000


async def test_a_session_that_is_ended_before_it_starts_does_not_wait(url, tmp_path: Path):
    session = Session(SessionConfig(url, "hall", outs=[str(tmp_path / "a.fw")], device="cpu"))
    session.hang_up()
    figures = await asyncio.wait_for(session.run(), PATIENCE)
    assert figures["frames"] == 0
    assert list(tmp_path.iterdir()) == []
