"""What a browser window captures: valid pictures and sound are used, anything else is skipped, and
the newest window is used."""

import io

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from PIL import Image

from receiver.outputs.page_audio import AudioBroadcast
from sender.capture.page import PushedSound, PushedVideo
from signaling.web.capture import PICTURE, SIDE_MAX, SOUND, TAKEN_OVER, Capture, CaptureError, decode_picture, decode_sound
from signaling.web.local_page import page_app
from tests.waiting import PATIENCE, until


def jpeg(width, height, kind="JPEG", level=90):
    out = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(out, kind)
    return out.getvalue()


def pcm(samples, rate):
    return bytes([SOUND]) + rate.to_bytes(4, "big") + samples.astype("<i2").tobytes()


def test_a_picture_is_decoded():
    assert decode_picture(jpeg(64, 48)).shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", jpeg(64, 48)[:40], jpeg(64, 48, "PNG"), jpeg(4, 4), jpeg(SIDE_MAX + 1, 16), bytes(1000)]
)  # fmt: skip
def test_invalid_pictures_are_refused(data):
    with pytest.raises(CaptureError):
        decode_picture(data)


def test_sound_has_its_rate():
    samples, rate = decode_sound(pcm(np.array([1, -2, 300]), 48_000)[1:])
    assert samples.tolist() == [1, -2, 300]
    assert rate == 48_000
    for data in (b"", b"\0\0\1", bytes(7)):
        with pytest.raises(CaptureError):
            decode_sound(data)


class Silent:
    """A call without pictures and sound."""

    def stats(self):
        return {"state": "connected"}

    def small(self):
        return None

    def voice(self):
        return AudioBroadcast()


@pytest.fixture
async def page():
    capture = Capture(PushedVideo(), PushedSound())
    async with TestServer(page_app(Silent(), capture)) as server, aiohttp.ClientSession() as session:
        session.capture, session.address = capture, server.make_url("/capture")
        yield session


async def test_pictures_and_sound_reach_the_source(page):
    tone = (np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000) * 8000).astype(np.int16)
    async with page.ws_connect(page.address) as socket:
        await socket.send_bytes(bytes([PICTURE]) + jpeg(320, 240))
        for piece in np.split(tone, 50):
            await socket.send_bytes(pcm(piece, 48_000))
        await until(lambda: page.capture.camera.latest() is not None and page.capture.camera.latest().shape == (240, 320, 3))
        await until(lambda: len(page.capture.microphone._buffer._queue) >= 4000)
        heard = page.capture.microphone.read(4000)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * 16_000 / len(heard) == pytest.approx(440, abs=8)
    assert 0.15 < np.abs(heard).max() < 0.35


@pytest.mark.parametrize(
    "message",
    [b"", b"\x01", b"\x02", b"\x02\0\0\0\0\0\0", b"\x03abc", bytes([SOUND]) + b"\xff" * 7, bytes([PICTURE]) + bytes(5000)],
)  # fmt: skip
async def test_invalid_messages_are_skipped_and_the_window_stays_connected(page, message):
    async with page.ws_connect(page.address) as socket:
        await socket.send_bytes(message)
        await socket.send_str("text")

        # A picture that arrives while another is decoded is left out, so more than one is sent.
        async def seen():
            await socket.send_bytes(bytes([PICTURE]) + jpeg(64, 48))
            return page.capture.camera.latest() is not None

        await until(seen)


async def test_the_newest_window_is_used(page):
    async with page.ws_connect(page.address) as first, page.ws_connect(page.address) as second:
        message = await first.receive(PATIENCE)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert first.close_code == TAKEN_OVER
        await second.send_bytes(bytes([PICTURE]) + jpeg(64, 48))
        await until(lambda: page.capture.camera.latest() is not None)


async def test_the_page_learns_what_to_capture():
    capture = Capture(PushedVideo(), None)
    async with TestServer(page_app(Silent(), capture)) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.make_url("/live")) as live:
            stats = (await live.receive_json())["stats"]
        assert (stats["page_camera"], stats["page_microphone"]) == (True, False)
        async with session.ws_connect(server.make_url("/capture")) as socket:
            await socket.send_bytes(pcm(np.zeros(10), 16_000))  # sound was not requested
        async with session.get(server.make_url("/capture"), headers={"Origin": "http://evil.example"}) as answer:
            assert answer.status == 403


async def test_a_call_without_captures_from_the_page_has_no_capture_url():
    async with TestServer(page_app(Silent())) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        assert (await session.get("/capture")).status == 404
