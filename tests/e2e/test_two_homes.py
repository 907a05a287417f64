"""A call between two homes, each behind a router, as in most calls."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench.browsers.chromium import line_with
from bench.demo import shipped_clip
from tests.e2e.homes import SERVER, Homes, possible
from tests.e2e.processes import REPOSITORY, finish
from tests.needs import needs

NAMESPACES = pytest.mark.skipif(
    not possible(), reason="needs root and NAT support to create network namespaces"
)  # fmt: skip
pytestmark = [pytest.mark.e2e, needs("nftables", "iproute2"), NAMESPACES]

FACEWIRE = (sys.executable, "-m", "facewire", "--verbose")
LONG = 120.0


@pytest.mark.parametrize("stun", [True, False], ids=["stun", "without"])
async def test_two_homes_find_each_other_by_the_servers_stun(tmp_path: Path, stun: bool) -> None:
    with Homes() as homes:
        options = ["--host", "0.0.0.0"] + ([] if stun else ["--no-stun"])
        server = await homes.start(homes.server, *FACEWIRE, "serve", *options, cwd=REPOSITORY)
        await line_with("Running on", server.stderr, "facewire serve")
        url, film = ["--server", f"http://{SERVER}:8790"], tmp_path / "seen.fw"
        receiving = await homes.start(homes.there, *FACEWIRE, "receive", "r", *url, "--out", str(film), "--json", cwd=REPOSITORY)
        sending = await homes.start(
            homes.here, *FACEWIRE, "send", "r", *url, "--video", str(shipped_clip()), "--seconds", "3", "--json", cwd=REPOSITORY
        )
        processes = (server, receiving, sending)
        try:
            if not stun:  # the same two homes, to show that STUN is what connects them
                # The sender did try: it prints this line when it found no route, or none in time.
                assert await line_with("trying again", sending.stderr, "facewire send")
                assert receiving.returncode is None
                return
            sent, received = await asyncio.gather(finish(sending, LONG), finish(receiving, LONG))
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert sent[0] == received[0] == 0, (sent[2][-2000:], received[2][-2000:])
    assert json.loads(received[1])["bundles_received"] > 8
    assert film.stat().st_size > 3000
