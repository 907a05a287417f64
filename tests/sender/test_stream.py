"""Ticks to bundles, with the real detector, codec and Opus."""

from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from codec.bundle import Bundle, Face, Report
from codec.pictures.header import RATES
from codec.pictures.picture import PictureDecoder
from codec.pictures.sampling import sample
from models.face.detector import BlazeFace
from models.face.tracker import crop_around
from sender.capture.sources import FileTicks, Tick, file_ticks
from sender.keyframes.choice import KEPT, KeyframeChoice, Quality
from sender.keyframes.outgoing import CHOICE_TICKS, GLIMPSES_MIN
from sender.stream import SenderStream, StreamConfig


def test_live_stream_chooses_a_keyframe_in_the_first_second(clip: Path) -> None:
    stream = SenderStream()
    for number, tick in enumerate(islice(file_ticks(clip), 8)):
        bundle = Bundle.parse(stream.bundle(tick).pack())
        assert bundle.number == number
        assert bundle.time == number * 10
        assert len(bundle.sound) == 2
        assert (bundle.picture is not None) == (number >= CHOICE_TICKS - 1)
        assert bundle.face == Face.TRACKED
    assert stream.count.pictures == 4


def test_bundles_decode_to_the_pictures_of_the_sender(clip: Path) -> None:
    stream, decoder = SenderStream(StreamConfig(crop="none", keyframe="first")), PictureDecoder()
    wanted = []
    for tick in islice(file_ticks(clip), 10):
        bundle = stream.bundle(tick)
        if bundle.number == 0:
            decoder.set_keyframe(stream.keyframes.slot, stream.keyframes.newest.thumbnail)
        picture, _ = decoder.decode(bundle.number, bundle.picture)
        assert (picture == stream.sent_picture).all()
        stream.acknowledge(Report(bundle.number))
        wanted.append(float(np.abs(picture.astype(int) - sample(stream.framing.crop.cut(tick.frames[-1]))).max()))
    assert max(wanted) <= 5
    assert stream.lowres_psnr_db > 42


def test_mute_sends_silence_and_camera_off_no_pictures(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first"))
    ticks = list(islice(file_ticks(clip), 30))
    stream.bundle(ticks[0])
    stream.muted = stream.framing.camera_off = True
    bundles = [stream.bundle(t) for t in ticks[1:]]
    assert all(b.muted and b.face == Face.CAMERA_OFF and b.picture is None for b in bundles)
    assert sum(len(p) for b in bundles[-10:] for p in b.sound) < 120
    stream.framing.camera_off = False
    assert stream.bundle(ticks[5]).picture is not None


def test_with_redundancy_sound_is_sent_twice(clip: Path) -> None:
    stream = SenderStream()
    first, second = islice(file_ticks(clip), 2)
    before = stream.bundle(first)
    stream.redundant = True
    assert stream.bundle(second).redundant == before.sound


def test_a_later_keyframe_is_used_once_it_is_confirmed(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first", crop="none"))
    ticks = list(islice(file_ticks(clip), 4))
    stream.bundle(ticks[0])
    first, decoder = stream.keyframes.newest, PictureDecoder()
    stream.keyframes.set(stream.framing.crop.cut(ticks[3].frames[-1]))
    assert stream.keyframes.slot == 1
    for slot, keyframe in stream.keyframes.gallery.keyframes.items():
        decoder.set_keyframe(slot, keyframe.thumbnail)

    def slot_of(tick: Tick) -> int:
        bundle = stream.bundle(tick)
        return decoder.decode(bundle.number, bundle.picture)[1].slot

    assert slot_of(ticks[1]) == 0
    stream.keyframes.confirm(1, first.digest)  # the wrong digest
    assert slot_of(ticks[2]) == 0
    stream.keyframes.confirm(1, stream.keyframes.newest.digest)
    assert slot_of(ticks[3]) == 1


def test_no_face_is_reported(faceless: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first"))
    assert {stream.bundle(t).face for t in file_ticks(faceless)} == {Face.NONE}


def test_no_picture_is_reported_as_camera_off() -> None:
    stream = SenderStream()
    bundle = stream.bundle(Tick([None] * 5, np.zeros(3200, np.float32), 0.0))
    assert bundle.face == Face.CAMERA_OFF
    assert bundle.picture is None


def test_keyframe_choice_prefers_sharp_and_open_eyes(frames: list[np.ndarray]) -> None:
    crop = crop_around(BlazeFace().detect(frames[0])[0]).cut(frames[0])
    choice = KeyframeChoice()
    choice.add(cv2.GaussianBlur(crop, (0, 0), 3))
    choice.add(crop)
    choice.add(np.full((256, 256, 3), 128, np.uint8))
    assert (choice.best() == crop).all()
    shut, wide = Quality(10, 1, 0.16, 1), Quality(9, 1, 0.3, 1)
    assert wide.score(10, 0.3) > 2 * shut.score(10, 0.3)
    with pytest.raises(ValueError, match="no candidate"):
        KeyframeChoice().best()


def test_keyframe_choice_prefers_the_most_frequent_head_pose(frames: list[np.ndarray]) -> None:
    crop = crop_around(BlazeFace().detect(frames[0])[0]).cut(frames[0])

    def leaning(degrees: float) -> np.ndarray:
        return cv2.warpAffine(crop, cv2.getRotationMatrix2D((128, 128), degrees, 1), (256, 256), borderMode=cv2.BORDER_REPLICATE)

    held = [leaning(14), leaning(15), leaning(16)]
    choice = KeyframeChoice()
    for picture in (crop, *held):  # the first picture is the sharpest and most frontal
        choice.add(picture)
    assert max(choice.candidates, key=lambda c: c.quality.score(1, 1)).crop is crop
    assert any(choice.best() is picture for picture in held)
    choice.thin()
    assert [c.crop is picture for c, picture in zip(choice.candidates, (crop, held[1]), strict=True)] == [True, True]


def silence_after(clip: Path, speaking: int, silent: int) -> list[Tick]:
    """Ticks of the clip with some background noise; in the last ``silent`` ones nobody speaks."""
    rng, ticks = np.random.default_rng(0), list(islice(file_ticks(clip), speaking + silent))
    for number, tick in enumerate(ticks):
        speech = tick.sound if number < speaking else np.zeros_like(tick.sound)
        tick.sound = speech + rng.normal(0, 1e-4, len(speech)).astype(np.float32)
    return ticks


def test_in_silence_every_other_tick_is_left_out(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first", crop="none", pauses=True))
    ticks = silence_after(clip, 20, 20)
    bundles = [stream.bundle(t) for t in ticks]
    assert all(b is not None and b.sound and not b.pausing for b in bundles[3:20])
    quiet = bundles[24:]
    assert [b is None for b in quiet] in ([False, True] * 8, [True, False] * 8)
    assert all(b.pausing and not b.sound and b.picture for b in quiet if b)
    # Bundles are numbered without gaps, and time continues.
    sent = [(i, b) for i, b in enumerate(bundles) if b]
    assert [b.number for _, b in sent] == list(range(len(sent)))
    assert all(b.time == i * 10 for i, b in sent)
    assert stream.count.seconds == pytest.approx(40 / 5)
    # Speech is sent at once, even in a tick that would be left out.
    if stream.bundle(ticks[-1]) is None:
        stream.bundle(ticks[-1])
    assert stream.bundle(ticks[10]).sound


def test_pauses_are_made_only_in_calls(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first", crop="none"))
    assert all(stream.bundle(t).sound for t in silence_after(clip, 5, 10))


def test_shorter_tick_modes_leave_no_tick_out(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first", crop="none", pauses=True, tick_mode=1))
    ticks = list(islice(file_ticks(clip, tick_ms=100), 20))
    for tick in ticks:
        tick.sound = np.zeros_like(tick.sound)
    bundles = [stream.bundle(t) for t in ticks]
    assert all(b is not None and not b.pausing for b in bundles)
    assert not bundles[-1].sound


def test_the_tick_mode_changes_between_ticks_and_time_continues(clip: Path) -> None:
    stream, decoder, source = SenderStream(StreamConfig(keyframe="first", crop="none")), PictureDecoder(), FileTicks(clip)
    bundles, tick_modes = [], [(0, 6_000)] * 3 + [(2, 16_000)] * 10 + [(1, 8_000)] * 6 + [(0, 6_000)] * 3
    for tick_mode, bitrate in tick_modes:
        stream.set_tick_mode(tick_mode, bitrate)
        bundles.append(stream.bundle(source.next(stream.tick_ms)))
        if bundles[-1].number == 0:
            decoder.set_keyframe(stream.keyframes.slot, stream.keyframes.newest.thumbnail)
        _, header = decoder.decode(bundles[-1].number, bundles[-1].picture)
        assert RATES[header.rate] == stream.tick_ms
        stream.acknowledge(Report(bundles[-1].number))
    assert [b.number for b in bundles] == list(range(22))
    times = [b.time * 20 for b in bundles]
    assert [b - a for a, b in pairwise(times)] == [200] * 3 + [60] * 10 + [100] * 6 + [200] * 2
    assert all(len(b.sound) == {200: 2, 100: 1, 60: 1}[b.tick_ms] for b in bundles)
    assert stream.count.seconds == pytest.approx(times[-1] / 1000 + 0.2)
    stream.bundle(source.next(200))
    with pytest.raises(ValueError, match="changes every 600 ms, not after"):
        stream.set_tick_mode(1, 6_000)


def test_a_picture_too_large_for_a_bundle_is_left_out_and_the_stream_continues() -> None:
    """Random squares of the size of a 32x32 picture's pixels: not a face, but a camera may produce
    such pictures."""
    rng = np.random.default_rng(0)

    def squares() -> np.ndarray:
        return np.repeat(np.repeat(rng.integers(0, 2, (32, 32, 3), np.uint8) * 255, 8, 0), 8, 1)

    grey = np.full((256, 256, 3), 128, np.uint8)
    stream = SenderStream(StreamConfig(crop="none", keyframe="first", size=32))
    bundles = [stream.bundle(Tick([frame] * 5, np.zeros(3200, np.float32), 0.0)) for frame in (grey, squares(), squares(), grey)]
    assert [b.picture is None for b in bundles] == [False, True, True, False]
    assert len(bundles[2].pack()) < 200


def test_a_keyframe_chosen_before_the_call_is_available_at_the_first_tick(clip: Path) -> None:
    ticks = list(islice(file_ticks(clip), GLIMPSES_MIN))
    crops: list[int] = []
    for config, seen, chosen in (
        (StreamConfig(), GLIMPSES_MIN, True), (StreamConfig(), GLIMPSES_MIN - 1, False),
        (StreamConfig(keyframe="first"), GLIMPSES_MIN, False),
    ):  # fmt: skip
        stream = SenderStream(config)
        stream.framing.on_crops = lambda first, frames: crops.append(first)
        for tick in ticks[:seen]:
            stream.candidates(tick)
        stream.choose_early()
        assert (stream.keyframes.newest is not None) == chosen
        assert stream.at_ms == 0
        assert not crops
        assert (stream.bundle(ticks[0]).picture is not None) == (chosen or config.keyframe == "first")
        crops.clear()


def test_old_pictures_are_no_longer_candidates(clip: Path) -> None:
    stream, tick = SenderStream(), next(iter(file_ticks(clip)))
    stream.candidates(tick)
    first = stream.keyframes.choice.candidates[0]
    for _ in range(KEPT - 1):
        stream.candidates(tick)
    assert stream.keyframes.choice.candidates[0] is first
    stream.candidates(tick)
    assert all(candidate is not first for candidate in stream.keyframes.choice.candidates)
    assert len(stream.keyframes.choice.candidates) == KEPT


@pytest.mark.parametrize("hide", ["camera_off", "away", "gone"])
def test_pictures_from_before_the_user_hid_are_not_used(clip: Path, hide: str) -> None:
    stream = SenderStream()
    ticks = list(islice(file_ticks(clip), GLIMPSES_MIN + 4))
    for tick in ticks[:GLIMPSES_MIN]:
        stream.candidates(tick)
    assert not stream.framing.hidden
    if hide == "gone":
        dark = Tick([], ticks[0].sound, 0.0)
    else:
        setattr(stream.framing, hide, True)
        dark = ticks[0]
    stream.candidates(dark)
    stream.choose_early()
    stream.bundle(dark)
    assert stream.framing.hidden
    assert stream.keyframes.newest is None
    assert stream.keyframes.choice is not None
    assert not stream.keyframes.choice.candidates


def test_without_a_face_no_keyframe_is_chosen_early() -> None:
    stream = SenderStream()
    for _ in range(GLIMPSES_MIN):
        stream.candidates(Tick([np.full((300, 300, 3), 90, np.uint8)], np.zeros(3200, np.float32), 0.0))
    stream.choose_early()
    assert stream.keyframes.newest is None


def test_a_skipped_tick_does_not_affect_the_next_bundle(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first"))
    ticks = list(islice(file_ticks(clip), 3))
    first = stream.bundle(ticks[0])
    stream.redundant = True
    stream.skip(ticks[1])
    third = stream.bundle(ticks[2])
    assert third.number == first.number + 1
    assert third.time == first.time + 20
    assert third.redundant == ()


def test_away_is_signalled_and_neither_picture_nor_sound_is_sent(clip: Path) -> None:
    stream = SenderStream(StreamConfig(keyframe="first"))
    ticks = list(islice(file_ticks(clip), 3))
    stream.bundle(ticks[0])
    stream.framing.away = True
    bundle = stream.bundle(ticks[1])
    assert (bundle.face, bundle.muted, bundle.picture) == (Face.AWAY, True, None)
    assert Bundle.parse(bundle.pack()) == bundle
    stream.framing.away = False
    assert stream.bundle(ticks[2]).picture is not None


def test_the_enlargement_of_a_distant_face_is_reported(frames: list[np.ndarray]) -> None:
    near, far = np.full((720, 1280, 3), 120, np.uint8), np.full((720, 1280, 3), 120, np.uint8)
    near[100:612, 300:812] = cv2.resize(frames[0], (512, 512))
    far[300:420, 600:720] = cv2.resize(frames[0], (120, 120), interpolation=cv2.INTER_AREA)
    for picture, low, high in ((near, 0.3, 0.7), (far, 1.9, 3.0)):
        stream = SenderStream()
        while stream.face != Face.TRACKED or stream.framing.crop is None:
            stream.bundle(Tick([picture] * 5, np.zeros(3200, np.float32), 0.0))
        assert low < stream.framing.enlarged < high


def test_a_call_with_somebody_speaking_stays_within_its_rate(clip: Path) -> None:
    """The shipped clip with continuous speech, each bundle acknowledged before the next; nothing here depends on the machine.
    Handshake, keyframe and acknowledgements are not included (``facewire bench --wire`` measures them)."""
    stream = SenderStream(StreamConfig(pauses=True))
    for tick in file_ticks(clip):
        bundle = stream.bundle(tick)
        stream.acknowledge(Report(bundle.number))
    assert stream.count.seconds > 15
    assert 9 < stream.count.wire_kbps < 10.6


def test_in_silence_before_the_first_keyframe_bundles_are_not_only_reports() -> None:
    """Otherwise the peer would count the tick as lost."""
    stream = SenderStream(StreamConfig(pauses=True))
    empty = Tick([np.zeros((240, 320, 3), np.uint8)] * 5, np.zeros(3200, np.float32), 0.0)
    bundles = [stream.bundle(empty) for _ in range(20)]
    assert all(bundle is not None and bundle.picture is None for bundle in bundles)
    assert bundles[-1].sound == (b"",)
    assert Bundle.parse(bundles[-1].pack()) == bundles[-1]
