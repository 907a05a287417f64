"""Shapes from bundles to frames: lost, left out, late or broken ones."""

import numpy as np
import pytest

from codec.bundle import Bundle
from codec.errors import CodecError
from codec.pictures.header import PictureHeader
from codec.shape.basis import COEFFICIENTS, POINTS, movements
from codec.shape.shape import ShapeEncoder
from models.face.shape_points import network_points
from receiver.shape_track import ShapeTrack, relative_to_keyframe
from receiver.tick_decoder import FrameInput, TickDecoder, halfway

POSE = np.random.default_rng(0).uniform(60, 190, (POINTS, 2)).astype(np.float32)


def values(end: float, frames: int = 1) -> np.ndarray:
    """Coefficients (frames, 16) of which only the first changes, to ``end`` in the last frame."""
    out = np.zeros((frames, COEFFICIENTS), np.float32)
    out[-1, 0] = end
    return out


class Side:
    """An encoder, and the track that receives its bundles."""

    def __init__(self) -> None:
        self.encoder, self.track, self.number = ShapeEncoder(0), ShapeTrack(), 0
        self.track.set_keyframe(3, POSE)

    def bundle(self, end: float, pausing: bool = False, slot: int = 3) -> Bundle:
        data, _ = self.encoder.encode(self.number, PictureHeader(0, slot), values(end))
        bundle = Bundle(self.number, 0, picture=b"", shape=data, pausing=pausing)
        self.number += 1
        self.track.arrived(bundle.number, PictureHeader(0, slot), data)
        return bundle

    def first(self, bundle: Bundle | None, whole: bool = True) -> list[int | None]:
        """The first coefficient of each of a tick's five frames."""
        unit = movements(np.eye(COEFFICIENTS, dtype=int)[:1])[0]
        out = []
        for shape in self.track.tick(bundle, whole, 5):
            if shape is None:
                out.append(None)
                continue
            assert np.abs(shape[0] - network_points(POSE)).max() < 1e-6
            moved = (shape[1] - shape[0]) * 128
            out.append(round(float((moved * unit).sum() / (unit * unit).sum())))
        return out


def test_frames_are_interpolated_between_ticks():
    side = Side()
    assert side.first(side.bundle(100)) == [100] * 5  # nothing earlier is known
    assert side.first(side.bundle(200)) == [120, 140, 160, 180, 200]


def test_a_lost_bundle_holds_the_face_where_it_was():
    side = Side()
    side.first(side.bundle(100))
    side.bundle(140)
    assert side.first(None) == [100] * 5
    assert side.first(side.bundle(200)) == [120, 140, 160, 180, 200]


def test_a_broken_picture_is_handled_like_a_lost_one():
    side = Side()
    side.first(side.bundle(100))
    assert side.first(Bundle(9, 0, picture=b"", shape=b""), whole=False) == [100] * 5


def test_a_tick_left_out_ends_at_the_shape_of_the_bundle_before():
    side = Side()
    side.first(side.bundle(100))
    assert side.first(side.bundle(200, pausing=True)) == [110, 120, 130, 140, 150]
    assert side.first(None) == [160, 170, 180, 190, 200]
    assert side.first(None) == [200] * 5  # the next bundle is lost
    side.encoder.skip()
    assert side.first(side.bundle(300)) == [300] * 5  # the sender's interpolation restarts


def test_a_bundle_that_was_expected_to_be_left_out_is_used():
    side = Side()
    side.first(side.bundle(100))
    side.first(side.bundle(200, pausing=True))
    assert side.first(side.bundle(300)) == [220, 240, 260, 280, 300]


def test_a_bundle_without_a_shape_gives_none_and_ends_the_interpolation():
    side = Side()
    side.first(side.bundle(100))
    assert side.first(Bundle(7, 0, picture=b"")) == [None] * 5
    assert side.first(None) == [None] * 5
    assert side.first(side.bundle(200)) == [200] * 5


def test_without_a_keyframe_or_its_points_there_is_no_shape():
    side = Side()
    side.track.set_keyframe(4, None)
    assert side.first(side.bundle(100, slot=4)) == [None] * 5
    assert side.first(side.bundle(100, slot=5)) == [None] * 5
    assert side.first(side.bundle(100)) == [100] * 5


def test_shapes_that_are_never_used_are_dropped():
    side = Side()
    for _ in range(300):
        side.bundle(0)
    assert len(side.track._waiting) <= 65


def test_a_picture_without_a_shape_replaces_the_shape_of_the_same_number():
    """The peer and its bundle numbers have restarted."""
    side = Side()
    side.bundle(200)
    side.track.forget(0)
    fresh = ShapeEncoder(0)
    data, made = fresh.encode(1, PictureHeader(1, 3), values(0))
    side.track.arrived(1, PictureHeader(1, 3), data)
    assert side.track._waiting[1].end.tolist() == made.end.tolist()
    assert 0 not in side.track._waiting


def test_shapes_are_converted_to_another_keyframes_points():
    shape = np.stack([network_points(POSE), network_points(POSE + 5)])
    other = relative_to_keyframe(shape, POSE + 20)
    assert np.array_equal(other[1], shape[1])
    assert np.allclose(other[0], network_points(POSE + 20))
    assert relative_to_keyframe(None, POSE) is None
    assert relative_to_keyframe(shape, None) is None


def test_the_shape_halfway_between_two_frames():
    pictures, rows = np.zeros((5, 3, 8, 8), np.float32), np.zeros((20, 80), np.float32)
    a, b = (FrameInput(n, pictures, rows, 1, shape=np.full((2, POINTS, 2), n / 10, np.float32)) for n in (7, 8))
    assert np.allclose(halfway(a, b).shape, 0.75)
    a.shape = None
    assert halfway(a, b).shape is None


def test_a_picture_with_a_broken_shape_is_still_shown(interpolator, recorded):
    keyframe, bundles, _ = recorded
    decoder = TickDecoder(interpolator)
    decoder.set_keyframe(0, keyframe.thumbnail, keyframe.points)
    broken = Bundle(bundles[0].number, 0, picture=bundles[0].picture, shape=b"\xff" * 40)
    with pytest.raises(CodecError):
        ShapeTrack().arrived(0, PictureHeader(), broken.shape)
    assert decoder.arrived(broken)
    assert decoder.errors == 1
    tick = decoder.tick(0, 200, broken)
    assert len(tick.frames) == 5
    assert all(f.shape is None for f in tick.frames)
    assert decoder.arrived(bundles[1])
    assert all(f.shape is not None for f in decoder.tick(200, 200, bundles[1]).frames)
