"""The names of sources and outputs on the command line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.media.files import SourceError
from receiver.outputs.video_file import OutputError
from sender.capture.page import PushedSound, PushedVideo
from sender.capture.sources import FileSource, LiveSource
from signaling.session.endpoints import is_camera, open_outputs, open_source


def test_without_names_there_is_no_source():
    assert open_source(None, None) == (None, None)


async def test_a_file_name_opens_a_file_source():
    source, capture = open_source(str(shipped_clip()), None, True, 1.0)
    assert isinstance(source, FileSource)
    assert capture is None
    source.close()


async def test_a_photo_is_shown_all_the_time(tmp_path: Path):
    photo = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "me.png"), photo[..., ::-1])
    source, _ = open_source(str(tmp_path / "me.png"), None, seconds=0.4)
    ticks = [await source.tick() for _ in range(3)]
    assert ticks[2] is None  # it ends after --seconds, not after its one picture
    assert all(len(tick.frames) == 5 and len(tick.sound) == 3200 for tick in ticks[:2])
    np.testing.assert_array_equal(ticks[1].frames[-1], photo)
    source.close()


async def test_the_page_provides_camera_and_microphone():
    source, capture = open_source("page", "page")
    assert isinstance(source, LiveSource)
    assert isinstance(capture.camera, PushedVideo)
    assert isinstance(capture.microphone, PushedSound)
    capture.camera.put(np.zeros((8, 8, 3), np.uint8))
    tick = await source.tick()
    assert sum(f is not None for f in tick.frames) == 5
    source.close()


async def test_a_files_picture_can_be_combined_with_the_pages_microphone():
    source, capture = open_source(str(shipped_clip()), "page")
    assert isinstance(source, FileSource)
    assert capture.camera is None
    capture.microphone.put(np.full(3200, 8000, np.int16), 16_000)
    tick = await source.tick()
    assert np.abs(tick.sound).max() > 0.2
    source.close()


@pytest.mark.parametrize(
    ("video", "audio"), [("gone.mp4", None), ("page", "gone.wav"), (None, "gone.wav"), ("cam99", None), ("camera", None)]
)  # fmt: skip
def test_missing_files_and_devices_give_one_line_errors(video, audio):
    with pytest.raises(SourceError) as raised:
        open_source(video, audio)
    assert "\n" not in str(raised.value)


def test_file_names_that_resemble_a_camera_are_files():
    """Otherwise the microphone would replace the file's sound."""
    assert [name for name in ("cam0", "cam12", "camera.mp4", "campus.mp4", "cam", "cam0.mp4") if is_camera(name)] == [
        "cam0",
        "cam12",
    ]


async def test_outputs(tmp_path: Path):
    outputs, page = open_outputs(["page", str(tmp_path / "a.fw"), str(tmp_path / "a.mp4")])
    assert len(outputs) == 2
    assert page is outputs[0]
    for output in outputs:
        output.close()
    with pytest.raises(OutputError, match="not page"):
        open_outputs(["screen"])
