import asyncio
import math

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.sdp import SessionDescription
from av import VideoFrame

from receiver.outputs.page_audio import AudioBroadcast
from signaling.config import IceConfig
from signaling.transport import sdp
from signaling.web import local_page as page_module
from signaling.web.audio import MAX_LISTENERS
from signaling.web.local import FILES, SHARED
from signaling.web.local_page import MAX_VIEWERS, page_app
from tests.waiting import PATIENCE, until


class Flat(VideoStreamTrack):
    """One grey level, 256×256."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame.from_ndarray(np.full((256, 256, 3), self.level, np.uint8), "rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Engine:
    """A call that shows two grey levels and records its commands."""

    def __init__(self):
        self.commands, self.sound = [], AudioBroadcast()

    def video_track(self):
        return Flat(200)

    def preview_track(self):
        return Flat(60)

    def voice(self):
        return self.sound

    def stats(self):
        muted = ("mute", True) in self.commands
        return {"state": "connected", "fps": np.float32(25), "consistency_db": math.inf, "loss": None, "muted": np.bool_(muted)}

    def small(self):
        return np.arange(192, dtype=np.uint8).reshape(8, 8, 3) if self.stats()["muted"] else None

    def command(self, name, value):
        self.commands.append((name, value))
        if name == "camera":
            raise OSError("no camera")


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
async def page(engine):
    async with TestServer(page_app(engine, allowed_hosts=["call.test"])) as server, aiohttp.ClientSession() as session:
        session.url = server.make_url("/")
        session.server = server
        yield session


async def test_files_and_headers(page):
    for path in ("", *FILES, *SHARED):
        async with page.get(page.url.join(page.url.with_path("/" + path))) as answer:
            assert answer.status == 200
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            text = await answer.text()
            # Nothing is loaded from other servers.
            assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace('"https:"', "").replace("http-equiv", "")
    async with page.get(page.url) as answer:
        html = await answer.text()
        assert 'id="remote"' in html
        assert 'id="preview"' in html
        assert 'id="hangup"' in html


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "call.test"}, 200),
        ({"Host": "localhost:9"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "[::1]:9"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "localhost:9", "Origin": "http://localhost:9"}, 200),
    ],
)
async def test_only_requests_from_the_own_page_are_served(page, headers, status):
    for path in ("/", "/live", "/none"):
        async with page.get(page.url.with_path(path), headers=headers) as answer:
            assert answer.status == (status if status == 403 else {"/": 200, "/live": 426, "/none": 404}[path])
            if status == 403:
                assert (await answer.json())["error"]["code"] in ("bad_host", "bad_origin")


async def browser(kinds=("video", "video")):
    pc = RTCPeerConnection(IceConfig().to_aiortc())
    tracks = []
    pc.on("track", tracks.append)
    for kind in kinds:
        pc.addTransceiver(kind, "recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    return pc, tracks, {"type": "offer", "sdp": pc.localDescription.sdp}


async def test_browser_sees_the_tracks(page, engine):
    pc, tracks, offer = await browser()
    async with page.post(page.url.with_path("/offer"), json=offer) as answer:
        assert answer.status == 200
        await pc.setRemoteDescription(RTCSessionDescription(**await answer.json()))
    assert [track.kind for track in tracks] == ["video", "video"]
    async with asyncio.timeout(PATIENCE):
        for track, level in zip(tracks, (200, 60), strict=False):
            frames = [await track.recv() for _ in range(5)]
            picture = frames[-1].to_ndarray(format="rgb24")
            assert picture.shape == (256, 256, 3)
            assert abs(picture.mean() - level) < 8
    # A second tab shows the same face while the first is open.
    pc2, tracks2, offer = await browser(["video"])
    async with page.post(page.url.with_path("/offer"), json=offer) as answer:
        await pc2.setRemoteDescription(RTCSessionDescription(**await answer.json()))
    async with asyncio.timeout(PATIENCE):
        picture = (await tracks2[0].recv()).to_ndarray(format="rgb24")
        assert abs(picture.mean() - 200) < 8
    await page.server.close()  # Shutting down closes the browsers' connections.
    async with asyncio.timeout(PATIENCE):
        while "connected" in (pc.connectionState, pc2.connectionState):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.gather(pc.close(), pc2.close())


async def test_bad_offers(page):
    pc, _, good = await browser()
    await pc.close()
    lines = good["sdp"]
    bad = [
        b"",
        b"{",
        b"\xff\xfe\xfd",
        b"[" * 70_000,
        [],
        {"type": "answer", "sdp": lines},
        {"type": "offer"},
        {"type": "offer", "sdp": ""},
        {"type": "offer", "sdp": "v=0"},
        {"type": "offer", "sdp": "v=0\r\nm=video\r\n"},
        {"type": "offer", "sdp": lines + lines[lines.index("m=video") :]},
        {"type": "offer", "sdp": lines.replace("m=video", "m=audio")},
        {"type": "offer", "sdp": lines.replace("VP8", "VP5").replace("H264", "H111")},
        {"type": "offer", "sdp": lines.replace("a=ice-pwd", "a=x")},
        {"type": "offer", "sdp": lines.replace("a=setup", "a=x").replace("a=mid", "a=x")},
        {"type": "offer", "sdp": lines + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 100},
    ]
    for body in bad:
        raw = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with page.post(page.url.with_path("/offer"), headers={"Content-Type": "application/json"}, **raw) as answer:
            assert answer.status == 400, body
            assert (await answer.json())["error"]["code"] == "bad_offer"
    async with page.post(page.url.with_path("/offer"), data=b"x" * 100_000) as answer:
        assert answer.status == 413
    async with page.get(page.url.with_path("/offer")) as answer:
        assert answer.status == 405


async def test_number_of_viewers_is_limited(page):
    pc, _, offer = await browser(["video"])
    statuses = []
    for _ in range(MAX_VIEWERS + 1):
        async with page.post(page.url.with_path("/offer"), json=offer) as answer:
            statuses.append(answer.status)
    assert statuses == [200] * MAX_VIEWERS + [503]
    await pc.close()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
async def test_sound_is_sent_at_the_requested_rate(page, engine, rate):
    async with page.ws_connect(page.url.with_path("/sound").with_query(rate=rate)) as window:
        tone = np.sin(np.arange(16_000) * 2 * np.pi * 400 / 16_000).astype(np.float32) * 0.5
        heard = b""
        for tick in range(5):
            while not engine.sound._queues:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            engine.sound.play(tone[3200 * tick : 3200 * (tick + 1)])
            heard += await window.receive_bytes(timeout=PATIENCE)
        samples = np.frombuffer(heard, "<i2").astype(np.float64) / 32767
        assert 0.99 * rate < len(samples) <= rate
        spectrum = np.abs(np.fft.rfft(samples))
        assert spectrum.argmax() * rate / len(samples) == pytest.approx(400, abs=3)
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
        assert np.abs(np.diff(samples[100:])).max() < 1.2 * np.pi * 400 / rate  # no click between pieces
        await page.server.close()
        assert (await window.receive(timeout=PATIENCE)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_the_rate_and_number_of_listeners_are_checked(page, engine):
    for rate in ("", "7999", "192001", "-1", "48000.5", "٤٨٠٠٠", "9" * 5000):
        async with page.get(page.url.with_path("/sound").with_query(rate=rate)) as answer:
            assert answer.status == 400, rate
    windows = [await page.ws_connect(page.url.with_path("/sound").with_query(rate=48_000)) for _ in range(MAX_LISTENERS)]
    async with page.get(page.url.with_path("/sound").with_query(rate=48_000)) as answer:
        assert answer.status == 426
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.ws_connect(page.url.with_path("/sound").with_query(rate=48_000))
    assert refused.value.status == 503
    await windows.pop().close()
    async with asyncio.timeout(PATIENCE):
        while len(engine.sound._queues) == MAX_LISTENERS:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    windows.append(await page.ws_connect(page.url.with_path("/sound").with_query(rate=48_000)))
    for window in windows:
        await window.close()


async def test_the_live_socket_sends_stats_and_accepts_commands(page, engine, monkeypatch):
    assert page_module.STATS_INTERVAL == 0.5
    monkeypatch.setattr(page_module, "STATS_INTERVAL", 0.01)
    async with page.ws_connect(page.url.with_path("/live"), origin=str(page.url.origin())) as live:
        for number in range(3):
            if number == 2:  # from now on only changes by commands are reported
                monkeypatch.setattr(page_module, "STATS_INTERVAL", 600.0)
            message = await live.receive_json(timeout=PATIENCE)
            assert message["type"] == "stats"
            expected = {"state": "connected", "fps": 25.0, "consistency_db": None, "loss": None, "muted": False}
            assert message["stats"] == expected
        await live.send_json({"command": "mute", "value": True})
        while not (await live.receive_json(timeout=PATIENCE))["stats"]["muted"]:
            pass
        await live.send_json({"command": "hangup"})
        await until(lambda: engine.commands == [("mute", True), ("hangup", True)])
        for bad in (
            "",
            "{",
            "[]",
            '{"command":"format"}',
            '{"command":"mute","value":"maybe"}',
            '{"command":"camera","value":false}',
        ):
            await live.send_str(bad)
            while (answer := await live.receive_json(timeout=PATIENCE))["type"] == "stats":
                pass
            assert (answer["type"], answer["code"]) == ("error", "bad_command")
        await live.send_bytes(b"{}")
        while (answer := await live.receive_json(timeout=PATIENCE))["type"] == "stats":
            pass
        assert answer["message"] == "expected JSON text"


async def test_small_pictures_are_sent_only_on_request(page):
    async with page.ws_connect(page.url.with_path("/live")) as live, page.ws_connect(page.url.with_path("/live")) as other:
        await live.send_json({"command": "mute", "value": True})  # this engine then has a small picture
        for wanted in (True, True, False):
            await live.send_json({"command": "small", "value": wanted})
        await live.send_json({"command": "small", "value": True})
        kinds = []
        while kinds.count("small") < 5:
            message = await live.receive_json(timeout=PATIENCE)
            kinds.append(message["type"])
            if message["type"] == "small":
                assert message["rgb"] == list(range(192))
        await live.send_json({"command": "small", "value": False})
        await asyncio.sleep(0.3)
        heard = [(await other.receive_json(timeout=PATIENCE))["type"] for _ in range(3)]
        assert set(heard) == {"stats"}


async def test_live_from_another_page_is_refused(page):
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await page.ws_connect(page.url.with_path("/live"), origin="http://evil.example")


async def test_hidden_addresses_of_a_browser_are_replaced_by_this_machines():
    pc, _, offer = await browser(["video"])
    await pc.close()
    hidden = offer["sdp"].replace("typ host", "typ host").splitlines()
    hidden = [" ".join([*f[:4], "0a1b.local", *f[5:]]) if line.startswith("a=candidate") else line
              for line in hidden for f in [line.split(" ")]]  # fmt: skip
    shown = sdp.resolve_local("\r\n".join(hidden) + "\r\n")
    assert ".local" not in shown
    candidates = SessionDescription.parse(shown).media[0].ice_candidates
    assert {candidate.ip for candidate in candidates} == set(_addresses()[:4])


def _addresses():
    from aioice import ice

    return ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
