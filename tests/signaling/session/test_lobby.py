"""The page before a call: requests are checked, and errors are shown on the page."""

import asyncio
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest
from aiohttp.test_utils import TestServer, unused_port

from signaling.session.lobby import Lobby, run_lobby
from signaling.session.session import SessionConfig
from tests.waiting import PATIENCE

GOOD = {"room": "blue-1", "server": "http://localhost:8790", "token": None}


@pytest.fixture
async def lobby():
    waiting = Lobby("http://here:1", "The call has ended.")
    async with TestServer(waiting.app()) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        session.lobby = waiting
        yield session


async def test_the_page_is_in_the_lobby_state(lobby):
    async with lobby.ws_connect("/live") as live:
        stats = (await live.receive_json())["stats"]
        assert stats == {"state": "lobby", "server": "http://here:1", "told": "The call has ended."}
        await live.send_str('{"command": "mute", "value": true}')
        answers = [await live.receive_json(timeout=PATIENCE) for _ in range(1)]
        assert answers[0]["type"] == "error"
    async with lobby.get("/") as page:
        assert 'id="lobby"' in await page.text()


async def test_a_join_request_is_accepted_once(lobby):
    for room, status in (("blue-1", 200), ("red-2", 409)):
        async with lobby.post("/join", json=GOOD | {"room": room}) as answer:
            assert answer.status == status
    async with lobby.ws_connect("/live") as live:  # the page shows no form while the call is set up
        assert (await live.receive_json())["stats"] == {"state": "joining"}
    wish = await lobby.lobby.wish()
    assert (wish.room, wish.server, wish.token) == ("blue-1", GOOD["server"], None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"room": ""}, "room"), ({"room": "a b"}, "room"), ({"room": "x" * 65}, "room"), ({"room": 3}, "room"),
        ({"server": "ftp://a"}, "server"), ({"server": "http://u:p@a"}, "server"), ({"server": "http://a/?q"}, "server"),
        ({"server": "javascript:alert(1)"}, "server"), ({"token": "t" * 2000}, "token"), ({"server": None}, "server"),
        ({"server": "http://a:87900"}, "server"), ({"server": "http://a:b"}, "server"), ({"server": "http://[a"}, "server"),
    ],
)  # fmt: skip
async def test_an_error_names_the_wrong_field(lobby, change, named):
    async with lobby.post("/join", json=GOOD | change) as answer:
        assert answer.status == 400
        assert named in (await answer.json())["error"]["message"]
    assert not lobby.lobby._wish.done()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 20_000])
async def test_an_invalid_body_is_refused(lobby, body):
    async with lobby.post("/join", data=body) as answer:
        assert answer.status == 400


async def test_other_pages_cannot_join(lobby):
    async with lobby.post("/join", json=GOOD, headers={"Origin": "http://evil.example"}) as answer:
        assert answer.status == 403


async def test_a_failed_call_is_reported_and_the_lobby_returns():
    port, said, pages = unused_port(), [], []
    config = SessionConfig("http://localhost:9", "", outs=[], page_port=port)
    running = asyncio.create_task(run_lobby(config, pages.append, lambda _: None, said.append))
    url = f"http://localhost:{port}"
    try:
        async with aiohttp.ClientSession(url) as session, asyncio.timeout(PATIENCE):
            while not pages:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            nowhere = GOOD | {"server": f"http://localhost:{unused_port()}"}
            async with session.post("/join", json=nowhere) as answer:
                assert answer.status == 200
            told = ""
            while not told:
                await asyncio.sleep(0.1)
                try:
                    async with session.ws_connect("/live") as live:
                        told = (await live.receive_json())["stats"].get("told", "")
                except aiohttp.ClientError:
                    continue
        assert "could not be made" in told
        assert len(said) == 2
        assert said[0].startswith("link for the other person: http://localhost:")
        assert "/call/blue-1 (opens on this machine only" in said[0]
        assert said[1] == told
        assert pages == [url + "/"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Recorded:
    """Replaces sessions and keeps their configurations; the last one ends the lobby as SIGTERM does."""

    made: ClassVar[list[SessionConfig]] = []
    calls = 3

    def __init__(self, config):
        self.config, self.terminated = config, False

    async def prepare(self):
        """Nothing to load."""

    async def run(self):
        self.made.append(self.config)
        self.terminated = len(self.made) == self.calls
        return {}


async def test_each_call_has_its_own_files_and_tokens_are_sent_only_to_their_server(monkeypatch):
    monkeypatch.setattr("signaling.session.lobby.Session", Recorded)
    Recorded.made.clear()
    port, ours = unused_port(), "http://ours.example:8790"
    config = SessionConfig(ours, "", outs=["page", "talk.mp4"], page_port=port, access="ours", stats=Path("a/s.jsonl"))
    running = asyncio.create_task(run_lobby(config, lambda _: None, lambda _: None, lambda _: None))
    wishes = [
        {"server": server, "token": token}
        for server, token in (("http://evil.example", None), (ours + "/", "mine"), (ours, None))
    ]
    async with aiohttp.ClientSession(f"http://localhost:{port}") as session, asyncio.timeout(PATIENCE):
        for wish in wishes:
            status = 0
            while status != 200:
                try:
                    async with session.post("/join", json=GOOD | wish) as answer:
                        status = answer.status
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)
        await running
    assert [(c.server, c.access) for c in Recorded.made] == [("http://evil.example", None), (ours + "/", "mine"), (ours, "ours")]
    assert [c.outs[1] for c in Recorded.made] == ["talk.mp4", "talk-2.mp4", "talk-3.mp4"]
    assert [str(c.stats) for c in Recorded.made] == ["a/s.jsonl", "a/s-2.jsonl", "a/s-3.jsonl"]
