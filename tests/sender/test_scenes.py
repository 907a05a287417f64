"""A file that cuts between two people: each gets a keyframe, and that of the first is used again when they are back."""

import io
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.bundle import Bundle
from codec.container import StoredKeyframe, read_file
from codec.media.files import file_frames
from codec.pictures.picture import PictureDecoder
from codec.pictures.sampling import sample
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from receiver.outputs.video_file import VideoFile
from sender.capture.sources import Tick, file_ticks
from sender.encode_file import encode_file
from sender.framing import Framing
from sender.keyframes.choice import KeyframeChoice
from sender.scenes import find_scenes, slot_for
from sender.stream import StreamConfig

SCENE = 40
"""The number of frames of a scene."""


@pytest.fixture(scope="module")
def reel(tmp_path_factory) -> Path:
    """The shipped face, its mirror image in other colours and brightness, the first face again, then stripes."""
    path = tmp_path_factory.mktemp("reel") / "reel.mp4"
    face = list(islice(file_frames(shipped_clip()), SCENE))
    other = [np.ascontiguousarray((255 - (255 - f[:, ::-1, [2, 0, 1]].astype(int)) * 3 // 4).astype(np.uint8)) for f in face]
    stripes = np.broadcast_to((np.arange(256) // 16 % 2 * 220).astype(np.uint8)[:, None, None], (256, 256, 3))
    video = VideoFile(path)
    for number, frame in enumerate(chain(face, other, face, [np.ascontiguousarray(stripes)] * 10)):
        video.frame(number, frame)
    video.sound(np.zeros((3 * SCENE + 10) * 640, np.float32))
    video.close()
    return path


def test_cuts_and_keyframes_of_scenes_are_found(reel: Path) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    scenes = find_scenes(file_ticks(reel), Framing("none", detector, mesh), KeyframeChoice(detector, mesh))
    assert scenes.cuts == {8, 16, 24}
    assert set(scenes.keyframes) == {8, 16}  # no keyframe for the stripes, as they show no face
    assert np.abs(sample(scenes.first).astype(int) - sample(scenes.keyframes[16])).mean() < 6
    assert np.abs(sample(scenes.first).astype(int) - sample(scenes.keyframes[8])).mean() > 20


def slots(stored: bytes) -> tuple[list[int], list[int]]:
    """(slots of the keyframes in the file, the slot that each picture refers to)."""
    decoder, kept, used = PictureDecoder(), list[int](), list[int]()
    for record in read_file(io.BytesIO(stored)):
        if isinstance(record, StoredKeyframe):
            decoder.set_keyframe(record.slot, record.keyframe.thumbnail)
            kept.append(record.slot)
        elif isinstance(record, Bundle) and record.picture is not None:
            used.append(decoder.decode(record.number, record.picture)[1].slot)
    return kept, used


def test_each_scene_is_coded_with_its_own_keyframe(reel: Path, tmp_path: Path) -> None:
    encoded = encode_file(reel, tmp_path / "reel.fw", StreamConfig(crop="none"))
    kept, used = slots((tmp_path / "reel.fw").read_bytes())
    assert kept == [0, 1]
    assert used[:24] == [0] * 8 + [1] * 8 + [0] * 8
    assert encoded.count.keyframe_bytes > 2 * 2000


def test_only_the_first_picture_is_a_keyframe_on_request(reel: Path, tmp_path: Path) -> None:
    encode_file(reel, tmp_path / "reel.fw", StreamConfig(crop="none", keyframe="first"))
    kept, used = slots((tmp_path / "reel.fw").read_bytes())
    assert kept == [0]
    assert set(used) == {0}


def test_a_clip_without_cuts_has_one_keyframe(tmp_path: Path) -> None:
    encode_file(shipped_clip(), tmp_path / "clip.fw", StreamConfig())
    assert slots((tmp_path / "clip.fw").read_bytes())[0] == [0]


def pictures(*parts: tuple[np.ndarray, int]) -> Iterator[Tick]:
    """Ticks of one picture each, from (picture, number of ticks)."""
    for picture, count in parts:
        yield from (Tick([picture], np.zeros(3200, np.float32), 0.0) for _ in range(count))


def test_the_keyframe_suits_its_whole_scene_even_a_long_one(face_crop: np.ndarray) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    places = [0, 2] * 6 + list(range(2, 16, 2)) + [14, 16] * 50  # the beginning differs from the rest
    at = {place: np.ascontiguousarray(np.roll(face_crop, place, 1)) for place in set(places)}
    scenes = find_scenes(pictures(*((at[p], 1) for p in places)), Framing("none", detector, mesh), KeyframeChoice(detector, mesh))
    assert not scenes.cuts
    assert not scenes.keyframes
    apart = {p: np.abs(sample(picture).astype(int) - sample(scenes.first)).mean() for p, picture in at.items()}
    assert min(apart, key=apart.__getitem__) >= 14


def test_the_first_keyframe_is_the_first_face_in_the_file(face_crop: np.ndarray) -> None:
    detector, mesh = BlazeFace(), FaceMesh()
    card = np.full((256, 256, 3), 30, np.uint8)
    for parts, first in ((((card, 5), (face_crop, 5)), face_crop), (((card, 5),), card), ((), None)):
        scenes = find_scenes(pictures(*parts), Framing("none", detector, mesh), KeyframeChoice(detector, mesh))
        assert not scenes.keyframes
        assert (scenes.first is None) == (first is None)
        assert first is None or np.abs(sample(scenes.first).astype(int) - sample(first)).max() <= 1


def test_without_keyframes_there_is_no_slot_for_a_picture(face_crop: np.ndarray) -> None:
    assert slot_for(face_crop, {}) is None


@pytest.fixture
def face_crop() -> np.ndarray:
    return next(file_frames(shipped_clip()))
