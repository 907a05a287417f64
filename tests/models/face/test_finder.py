"""Faces far from the camera are found, measured and followed; other things are not taken for faces."""

import cv2
import numpy as np
import pytest

from codec.bundle import Face
from models.face.detector import BlazeFace, Detection
from models.face.finder import SMALLEST, TURN, FaceFinder, tiles
from models.face.landmarks import FaceMesh
from models.face.tracker import REMEMBERED, Tracker

HEIGHT = 720
TURNS = -(-len(tiles(1280, HEIGHT, SMALLEST * HEIGHT)) // TURN)
"""The number of pictures in which every tile is searched once."""


class Counting:
    """A detector that counts its calls."""

    def __init__(self) -> None:
        self.detector, self.asked = BlazeFace(), 0

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        self.asked += 1
        return self.detector.detect(rgb)


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh()


@pytest.fixture(scope="module")
def face(frames: list[np.ndarray]) -> tuple[np.ndarray, Detection]:
    """(a picture with one face, the detection of that face)"""
    return frames[0], BlazeFace().detect(frames[0])[0]


def room(seed: int = 1) -> np.ndarray:
    """A picture (720, 1280, 3) of soft shapes, noise and stripes, like a room out of focus."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(30, 200, (9, 16, 3)).astype(np.uint8), (1280, HEIGHT), interpolation=cv2.INTER_CUBIC)
    soft[:, 900:] = soft[:, 900:] // 2 + ((np.arange(380) // 12 % 2) * 60).astype(np.uint8)[None, :, None]
    return np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def placed(face: tuple[np.ndarray, Detection], share: float, x: int, y: int) -> tuple[np.ndarray, float, float]:
    """(the room with a face pasted in, x and y of the face's centre). The face's height is ``share`` of
    the room's; the corner of the pasted picture is at (x, y)."""
    picture, found = face
    scale = share * HEIGHT / found.height
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = room()
    out[y : y + small.shape[0], x : x + small.shape[1]] = small
    return out, x + found.centre[0] * scale, y + found.centre[1] * scale


@pytest.mark.parametrize("share", [0.24, 0.16, 0.13, 0.10, 0.08, 0.06])
@pytest.mark.parametrize("place", [(40, 30), (700, 200), (330, 440)])
def test_a_face_of_any_size_is_found_and_measured(face, mesh, share, place) -> None:
    side = face[0].shape[0] * share * HEIGHT / face[1].height
    picture, x, y = placed(face, share, place[0], round(min(place[1], HEIGHT - side - 1)))
    finder = FaceFinder(BlazeFace(), mesh)
    found = next((f for f in (finder.find(picture) for _ in range(TURNS)) if f), [])
    assert len(found) == 1
    assert np.hypot(found[0].centre[0] - x, found[0].centre[1] - y) < 0.15 * share * HEIGHT
    assert found[0].height == pytest.approx(share * HEIGHT, rel=0.15)


def test_a_face_that_moves_away_and_sideways_is_never_lost(face, mesh) -> None:
    tracker, share, x = Tracker(BlazeFace(), mesh), 0.36, 100.0
    while share > 0.07:
        picture, centre, _ = placed(face, share, round(x), 60)
        assert tracker.update(picture)[1] == Face.TRACKED
        assert tracker.face.centre[0] == pytest.approx(centre, abs=0.2 * share * HEIGHT)
        share *= 0.9
        x += 0.4 * share * HEIGHT  # two face heights a second


def test_a_small_face_that_disappeared_is_found_again_at_its_last_position(face, mesh) -> None:
    detector = Counting()
    tracker, (picture, *_) = Tracker(detector, mesh), placed(face, 0.08, 600, 300)
    while tracker.update(picture)[1] != Face.TRACKED:
        pass
    for _ in range(REMEMBERED):
        assert tracker.update(room())[1] == Face.NONE
    detector.asked = 0
    assert tracker.update(picture)[1] == Face.TRACKED
    assert detector.asked == 2  # the whole picture, and the last position


def test_a_picture_without_a_face_takes_a_bounded_number_of_detections(mesh) -> None:
    detector = Counting()
    finder = FaceFinder(detector, mesh)
    for _ in range(2 * TURNS):
        before = detector.asked
        assert finder.find(room(3)) == []
        assert detector.asked - before <= 1 + 2 * TURN


@pytest.mark.parametrize("seed", range(8))
def test_no_face_is_found_in_an_empty_room(mesh, seed: int) -> None:
    finder = FaceFinder(BlazeFace(), mesh)
    assert [finder.find(room(seed)) for _ in range(TURNS)] == [[]] * TURNS


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (3840, 2160), (640, 480), (256, 256), (1919, 803)])
def test_every_small_face_is_completely_inside_a_tile(size) -> None:
    width, height = size
    smallest = SMALLEST * min(size)
    rng = np.random.default_rng(5)
    parts = np.array(tiles(width, height, smallest))
    assert (parts[:, :2] >= 0).all()
    longest = max(size)
    for _ in range(500):
        side = np.exp(rng.uniform(np.log(smallest), np.log(longest / 8)))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        whole = (parts[:, 0] <= x) & (parts[:, 1] <= y) & (x + side <= parts[:, 0] + parts[:, 2])
        whole &= (y + side <= parts[:, 1] + parts[:, 2]) & (side >= parts[:, 2] / 7.5)
        assert whole.any(), (x, y, side)


def test_a_small_picture_has_no_tiles() -> None:
    assert tiles(128, 128, 20) == []


def test_a_small_face_is_found_after_the_picture_size_has_changed(face, mesh) -> None:
    picture, *_ = placed(face, 0.08, 600, 300)

    def looks(finder: FaceFinder) -> int:
        return next(n for n in range(2 * TURNS) if finder.find(picture))

    changed = FaceFinder(BlazeFace(), mesh)
    assert changed.find(room(3)[:360, :640]) == []  # tiles kept from this size would cover only this corner
    assert looks(changed) == looks(FaceFinder(BlazeFace(), mesh))


def test_after_a_rewind_a_small_face_is_tracked_from_the_first_picture(face, mesh) -> None:
    tracker, (picture, *_) = Tracker(BlazeFace(), mesh), placed(face, 0.08, 600, 300)
    while tracker.update(picture)[1] != Face.TRACKED:
        pass
    tracker.rewind()
    assert tracker.crop is None
    crop, told = tracker.update(picture)
    assert told == Face.TRACKED
    assert crop.side < 200
