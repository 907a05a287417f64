"""The face's shape from ticks to bundles, with the real mesh and codec: the receiver's points agree with the mesh."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from codec.bundle import Bundle, Face, Report
from codec.pictures.header import PictureHeader
from codec.pictures.picture import PictureDecoder
from codec.shape.basis import POINTS
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.face.shape_points import network_points
from models.face.tracker import Crop, whole
from receiver.shape_track import ShapeTrack
from sender.capture.sources import Tick, file_ticks
from sender.shapes import OutgoingShapes, points_of
from sender.stream import SenderStream, StreamConfig

CONFIG = StreamConfig(crop="none", keyframe="first")


class Watcher:
    """A receiver of shapes and of the pictures that they belong to."""

    def __init__(self, stream: SenderStream) -> None:
        self.stream, self.pictures, self.track = stream, PictureDecoder(), ShapeTrack()

    def see(self, bundle: Bundle | None) -> list[np.ndarray | None]:
        """The shapes of a tick's frames."""
        for slot, keyframe in self.stream.keyframes.gallery.keyframes.items():
            self.pictures.set_keyframe(slot, keyframe.thumbnail)
            self.track.set_keyframe(slot, keyframe.points)
        whole = bundle is not None and bundle.picture is not None
        if whole:
            _, header = self.pictures.decode(bundle.number, bundle.picture)
            if bundle.shape is not None:
                self.track.arrived(bundle.number, header, bundle.shape)
        return self.track.tick(bundle, whole, 5)


@pytest.fixture(scope="module")
def face() -> Callable[[np.ndarray], np.ndarray | None]:
    detector, mesh = BlazeFace(), FaceMesh()
    return lambda rgb: points_of(rgb, detector, mesh)


def apart(shape: np.ndarray | None, points: np.ndarray | None) -> float:
    """The mean distance in pixels between the points given to the network and ``points``."""
    assert shape is not None
    assert points is not None
    return float(np.linalg.norm(shape[1] - network_points(points), axis=-1).mean() * 128)


def test_the_shape_of_every_frame_is_accurate_to_a_pixel(clip: Path, face) -> None:
    stream = SenderStream(CONFIG)
    watcher, sizes, errors = Watcher(stream), [], []
    for tick in islice(file_ticks(clip), 12):
        bundle = stream.bundle(tick)
        shown = watcher.see(Bundle.parse(bundle.pack()))
        stream.acknowledge(Report(bundle.number))
        sizes.append(len(bundle.shape))
        errors += [apart(s, face(crop)) for s, crop in zip(shown, stream.framing.crops, strict=True)]
        key = stream.keyframes.newest.points
        assert all(np.abs(s[0] - network_points(key)).max() < 1e-6 for s in shown)
    assert np.mean(errors[5:]) < 1.0
    assert 0 < np.mean(sizes) < 20
    assert stream.count.shape_bytes == sum(sizes)
    assert apart(network_points(np.stack([key, key])), face(stream.keyframes.newest.rgb)) < 0.7  # losses of AVIF, quarter pixels


def test_a_slow_machine_analyses_only_the_last_picture(clip: Path) -> None:
    stream = SenderStream(CONFIG)
    watcher, ticks = Watcher(stream), list(islice(file_ticks(clip), 4))
    watcher.see(stream.bundle(ticks[0]))
    stream.every_frame, looked = False, []
    stream.shapes.look = lambda frame, crop, look=stream.shapes.look: looked.append(frame) or look(frame, crop)
    for tick in ticks[1:]:
        stream.look_early(tick.frames[0])
        bundle = stream.bundle(tick)
        assert bundle.shape is not None
        assert all(shape is not None for shape in watcher.see(bundle))
    assert len(looked) == len(ticks) - 1


def test_without_shape_the_stream_has_the_papers_form(clip: Path) -> None:
    with_shape, without = (SenderStream(StreamConfig(crop="none", keyframe="first", shape=told)) for told in (True, False))
    for tick in islice(file_ticks(clip), 4):
        told, untold = with_shape.bundle(tick), without.bundle(tick)
        assert told.shape is not None
        assert untold.shape is None
    assert without.keyframes.newest.points is None
    assert without.count.shape_bytes == 0
    assert without.lowres_psnr_db > with_shape.lowres_psnr_db > 42  # with shape, the pictures are coded more coarsely


def test_without_a_face_there_is_no_shape(clip: Path, faceless: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first"))
    assert all(stream.bundle(t).shape is None for t in islice(file_ticks(faceless), 3))
    stream = SenderStream(CONFIG)
    watcher, face_tick = Watcher(stream), next(file_ticks(clip))
    blank = Tick([np.full((256, 256, 3), 90, np.uint8)] * 5, face_tick.sound, 0.0)
    assert all(s is not None for s in watcher.see(stream.bundle(face_tick)))
    assert watcher.see(stream.bundle(blank)) == [None] * 5
    again = stream.bundle(face_tick)
    assert all(s is not None for s in watcher.see(again))


def test_the_shape_restarts_after_the_camera_was_off(clip: Path) -> None:
    stream = SenderStream(CONFIG)
    watcher, ticks = Watcher(stream), list(islice(file_ticks(clip), 6))
    watcher.see(stream.bundle(ticks[0]))
    stream.framing.camera_off = True
    off = stream.bundle(ticks[1])
    assert (off.face, off.shape) == (Face.CAMERA_OFF, None)
    watcher.track.reset()
    stream.framing.camera_off = False
    assert all(s is not None for s in watcher.see(stream.bundle(ticks[5])))


@pytest.mark.parametrize("tick_mode", [1, 2])
def test_shorter_ticks_send_only_the_shape_at_their_end(clip: Path, tick_mode: int) -> None:
    stream = SenderStream(StreamConfig(crop="none", keyframe="first", tick_mode=tick_mode))
    track = ShapeTrack()
    for tick in islice(file_ticks(clip, tick_ms=stream.tick_ms), 6):
        bundle = stream.bundle(tick)
        track.set_keyframe(0, stream.keyframes.newest.points)
        track.arrived(bundle.number, stream.pictures.header, bundle.shape)
        assert all(s is not None for s in track.tick(bundle, True, 3))
        assert not len(track._held.between)


def test_in_silence_the_motion_is_spread_over_two_ticks(clip: Path, face) -> None:
    stream = SenderStream(StreamConfig(crop="none", keyframe="first", pauses=True))
    watcher, ends = Watcher(stream), []
    quiet = [Tick(t.frames, np.zeros_like(t.sound), t.captured) for t in islice(file_ticks(clip), 24)]
    for tick in quiet:
        bundle = stream.bundle(tick)
        shown = watcher.see(bundle)
        if bundle is None:
            assert ends[-1] is not None
            assert apart(shown[-1], ends[-1]) < 1.0
        ends.append(face(stream.framing.crops[-1]))
        assert all(s is not None for s in shown)
    assert stream.count.bundles < len(quiet)


def test_a_repeated_picture_is_analysed_only_once(face, clip: Path) -> None:
    looks = []

    class Counting(FaceMesh):
        def within(self, rgb, region):
            looks.append(region)
            return super().within(rgb, region)

    frame = next(file_ticks(clip)).frames[0]
    shapes = OutgoingShapes(BlazeFace(), Counting())
    whole_frame = whole(frame)
    shapes.see([(frame, whole_frame)] * 5)
    assert len(looks) == 2  # at the detector's position, and again at the refined one
    shapes.see([(frame.copy(), whole_frame) for _ in range(5)])
    assert len(looks) == 7


def test_pictures_analysed_before_the_tick_ends_give_the_same_shape_and_only_once(clip: Path) -> None:
    early, usual = SenderStream(CONFIG), SenderStream(CONFIG)
    looks = []
    see = early.shapes._follower.see
    early.shapes._follower.see = lambda frame, crop: looks.append(frame) or see(frame, crop)
    for number, tick in enumerate(islice(file_ticks(clip), 5)):
        for frame in tick.frames:
            early.look_early(frame)
        assert len(looks) == (5 * (number + 1) if number else 0)  # no early analysis before there is a keyframe
        assert early.bundle(tick).shape == usual.bundle(tick).shape
        assert len(looks) == 5 * (number + 1)


def test_points_are_at_the_right_positions_in_the_crop(clip: Path, face) -> None:
    """The same face, enlarged and off-centre in a larger picture."""
    frame = whole(first := next(file_ticks(clip)).frames[0]).cut(first)
    room = np.full((700, 1000, 3), 60, np.uint8)
    room[150:662, 300:812] = cv2.resize(frame, (512, 512), interpolation=cv2.INTER_CUBIC)
    shapes, crop = OutgoingShapes(BlazeFace(), FaceMesh()), Crop(300, 150, 512)
    shapes.see([(room, crop)])
    assert np.linalg.norm(shapes._tick[0] - face(frame), axis=1).mean() < 1.0
    shapes.see([(room.copy(), Crop(310, 150, 512))])  # the crop has moved
    assert np.linalg.norm(shapes._tick[0] + (5, 0) - face(frame), axis=1).mean() < 1.0


def test_a_keyframe_without_points_has_no_shapes(clip: Path) -> None:
    stream = SenderStream(CONFIG)
    tick = next(file_ticks(clip))
    stream.bundle(tick)
    untold = SenderStream(StreamConfig(crop="none", keyframe="first", shape=False))
    untold.bundle(tick)
    assert stream.shapes.encode(1, PictureHeader(), untold.keyframes.newest, True) is None
    assert stream.shapes.encode(1, PictureHeader(), stream.keyframes.newest, True) is not None


def test_points_are_found_on_a_face_and_not_without_one(face, clip: Path) -> None:
    frame = next(file_ticks(clip)).frames[0]
    found = face(frame)
    assert found.shape == (POINTS, 2)
    assert found[:20].mean(0)[1] > found[20:32].mean(0)[1] + 20  # lips below lids
    assert face(np.full((256, 256, 3), 90, np.uint8)) is None
