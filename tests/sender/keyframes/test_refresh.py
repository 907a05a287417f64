"""A new keyframe is chosen when it renders better: with the shipped networks, on a face that changes and changes back."""

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.bundle import Bundle, Face
from codec.keyframe import Keyframe, encode_keyframe
from models.runtime.upsampler import Interpolator, Upsampler
from sender.capture.sources import Tick, file_ticks
from sender.keyframes.distance import distance
from sender.keyframes.gallery import Gallery, Held
from sender.keyframes.mirror import BEHIND, NICENESS, Mirror
from sender.keyframes.refresh import LIFE, SEND_LOOKS, Advice, Refresh
from sender.stream import SenderStream, StreamConfig


@pytest.fixture(scope="module")
def networks() -> tuple[Upsampler, Interpolator]:
    return Upsampler(device="cpu-fp32"), Interpolator()


def changed(tick: Tick) -> Tick:
    """The same face mirrored and darker: warping the first keyframe cannot show it well."""
    frames = [None if f is None else np.ascontiguousarray(f[:, ::-1] // 2 + 10) for f in tick.frames]
    return Tick(frames, tick.sound, tick.captured)


def talking(clip: Path, parts: str) -> Iterator[Tick]:
    """Ticks of the clip, ten for each letter of ``parts``: "a" unchanged, "b" changed."""
    ticks = list(file_ticks(clip))
    for number, part in enumerate(parts):
        for tick in ticks[10 * (number % 3) : 10 * (number % 3) + 10]:
            yield tick if part == "a" else changed(tick)


def run(clip: Path, parts: str, refresh: Refresh, may_send: bool = True) -> list[tuple[int, int | str]]:
    """The advice of the refresh, as (tick, "new" or slot). It is followed at once, as if the peer had every
    keyframe as soon as it is sent."""
    stream, advised = SenderStream(StreamConfig(crop="none", keyframe="first")), list[tuple[int, int | str]]()
    for number, tick in enumerate(talking(clip, parts)):
        at_ms = stream.at_ms
        bundle = stream.bundle(tick)
        assert stream.keyframes.newest is not None
        stream.keyframes.confirm(stream.keyframes.slot, stream.keyframes.newest.digest)
        advice = refresh.tick(at_ms, 200, bundle, stream.seen, stream.keyframes.held.limited(may_send))
        if advice and advice.keyframe:
            stream.keyframes.set(advice.keyframe)
            advised.append((number, "new"))
        elif advice and advice.slot is not None:
            assert stream.keyframes.use(advice.slot)
            advised.append((number, advice.slot))
    return advised


def test_a_changed_face_gets_a_keyframe_and_a_returning_face_its_old_one(clip, networks):
    refresh = Refresh(*networks, check_ms=400)
    advised = run(clip, "abbab", refresh)
    kinds = [what for _, what in advised]
    assert kinds[0] == "new"
    assert 10 <= advised[0][0] < 30  # only after the change
    assert refresh.count.sent == kinds.count("new") <= 2
    later = [what for number, what in advised if 30 <= number < 40]
    assert later == [0]  # the face is bright again: the first keyframe, which costs nothing
    again = [what for number, what in advised if number >= 40]
    assert again
    assert set(again) <= {1, 2}  # keyframes that the peer already has
    assert refresh.count.switched >= 2


def test_a_completely_different_face_gets_a_keyframe_at_once(clip, networks):
    """In negative colours the first keyframe is useless, so the candidate is sent without being judged first."""
    refresh = Refresh(*networks, check_ms=400)
    stream, sent = SenderStream(StreamConfig(crop="none", keyframe="first")), []
    for number, tick in enumerate(talking(clip, "aa")):
        if number >= 10:
            tick = Tick([255 - f for f in tick.frames], tick.sound, tick.captured)
        at_ms, bundle = stream.at_ms, stream.bundle(tick)
        stream.keyframes.confirm(stream.keyframes.slot, stream.keyframes.newest.digest)
        advice = refresh.tick(at_ms, 200, bundle, stream.seen, stream.keyframes.held)
        if advice and advice.keyframe:
            stream.keyframes.set(advice.keyframe)
            sent.append(number)
    assert sent[0] in (10, 11)
    assert len(sent) <= 2


def test_an_empty_room_does_not_become_the_keyframe(clip, networks):
    refresh = Refresh(*networks, check_ms=200)
    stream, ticks = SenderStream(StreamConfig(crop="none", keyframe="first")), list(talking(clip, "a"))
    empty = np.full((256, 256, 3), (40, 90, 30), np.uint8)
    for number, tick in enumerate(ticks):
        if number >= 5:
            tick = Tick([empty] * 5, tick.sound, tick.captured)
        at_ms, bundle = stream.at_ms, stream.bundle(tick)
        stream.keyframes.confirm(stream.keyframes.slot, stream.keyframes.newest.digest)
        assert refresh.tick(at_ms, 200, bundle, stream.seen, stream.keyframes.held) is None
    assert refresh.count.looks > 7


def test_an_unchanged_face_keeps_its_keyframe_and_without_bandwidth_none_is_sent(clip, networks):
    still = Refresh(*networks, check_ms=400)
    assert run(clip, "aaa", still) == []
    assert still.count.looks > 10
    assert run(clip, "abb", Refresh(*networks, check_ms=400), may_send=False) == []


def test_frames_rendered_after_a_refresh_are_closer_to_the_camera(clip, networks):
    refresh = Refresh(*networks, check_ms=400)
    advised = run(clip, "abbb", refresh)
    at = advised[0][0] // 2  # every second tick is judged
    before, after = refresh.count.distance[at], refresh.count.distance[-SEND_LOOKS:]
    assert np.mean(after) < 0.8 * before


def test_the_mirror_skips_ticks_while_it_is_behind_and_gives_advice_once(clip, networks):
    mirror = Mirror(lambda: Refresh(*networks, check_ms=200))
    stream = SenderStream(StreamConfig(crop="none", keyframe="first"))
    advice = []
    for number, tick in enumerate(talking(clip, "abbb")):
        bundle = stream.bundle(tick)
        stream.keyframes.confirm(stream.keyframes.slot, stream.keyframes.newest.digest)
        mirror.tick(number * 200, 200, bundle, stream.seen, stream.keyframes.held)
        mirror._pool.submit(lambda: None).result()
        if found := mirror.advice():
            assert mirror.advice() is None
            advice.append(found)
            stream.keyframes.set(found.keyframe)
            break
    assert len(advice) == 1
    looks, gate = mirror.refresh.count.looks, threading.Event()
    mirror._pool.submit(gate.wait)
    for n in range(10):  # all at once: all but the last few are only decoded
        mirror.tick((number + 1 + n) * 200, 200, stream.bundle(tick), stream.seen, stream.keyframes.held)
    gate.set()
    mirror.close()
    assert mirror.refresh.count.looks - looks <= BEHIND + 1


def hidden(bundle: Bundle) -> Bundle:
    return replace(bundle, picture=None, shape=None, face=Face.CAMERA_OFF)


def test_a_candidate_from_before_the_camera_went_off_is_dropped(clip, networks):
    refresh = Refresh(*networks, check_ms=200)
    stream, ticks = SenderStream(StreamConfig(crop="none", keyframe="first")), list(talking(clip, "a"))
    for tick in ticks[:5]:
        at_ms, bundle = stream.at_ms, stream.bundle(tick)
        stream.keyframes.confirm(stream.keyframes.slot, stream.keyframes.newest.digest)
        refresh.tick(at_ms, 200, bundle, stream.seen, stream.keyframes.held)
    assert refresh._new_candidate is not None
    refresh.tick(stream.at_ms, 200, hidden(bundle), None, stream.keyframes.held)
    assert refresh._new_candidate is None


def test_advice_from_before_the_camera_went_off_is_discarded():
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        def tick(self, at_ms, tick_ms, bundle, crop, held):
            begun.set()
            assert go_on.wait(60)
            return Advice(slot=1) if bundle.face == Face.TRACKED else None

    mirror, bundle, held = Mirror(lambda: Slow()), Bundle(0, 0, picture=b"1"), Held({}, frozenset(), None)  # type: ignore[arg-type]
    mirror.tick(0, 200, bundle, None, held)
    assert begun.wait(60)
    mirror.tick(200, 200, hidden(bundle), None, held)
    go_on.set()
    mirror._pool.submit(lambda: None).result()
    assert mirror.advice() is None
    mirror.tick(400, 200, bundle, None, held)
    mirror._pool.submit(lambda: None).result()
    assert mirror.advice() == Advice(slot=1)
    mirror.close()


def test_a_broken_tick_is_logged_and_the_thread_continues(networks, caplog):
    mirror = Mirror(lambda: Refresh(*networks))
    mirror.tick(0, 200, Bundle(0, 0), None, None)  # type: ignore[arg-type]
    mirror.tick(0, 200, Bundle(0, 0), None, Held({}, frozenset(), None))
    mirror._pool.submit(lambda: None).result()
    mirror.close()
    assert "could not be mirrored" in caplog.text
    assert mirror.advice() is None


def test_without_networks_there_is_no_advice_and_one_log_line(caplog):
    def fail():
        raise ValueError("step.onnx cannot be loaded")

    mirror = Mirror(fail)
    mirror.tick(0, 200, Bundle(0, 0), None, Held({}, frozenset(), None))
    mirror._pool.submit(lambda: None).result()
    mirror.close()
    assert (mirror.refresh, mirror.switched, mirror.advice()) == (None, 0, None)
    assert "could not be loaded" in caplog.text
    assert "could not be mirrored" not in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_the_mirror_runs_at_low_priority(networks):
    seen = []

    def make():
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return Refresh(*networks)

    mirror = Mirror(make)
    mirror._pool.submit(lambda: None).result()
    mirror.close()
    assert seen[0] == max(NICENESS, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))


def keyframe(grey: int) -> Keyframe:
    return encode_keyframe(np.full((256, 256, 3), grey, np.uint8), 20)


def test_slots_are_given_in_order_then_the_least_recently_used_but_not_the_current():
    gallery = Gallery()
    made = [keyframe(8 * i) for i in range(18)]
    assert [gallery.add(k, None if not i else 0) for i, k in enumerate(made[:16])] == list(range(16))
    gallery.used(1)
    assert gallery.add(made[16], current=0) == 2
    assert gallery.add(made[17], current=3) == 0


def test_the_peer_must_confirm_the_keyframes_that_it_holds():
    gallery = Gallery()
    slot = gallery.add(keyframe(10), None)
    assert not gallery.confirm(slot, bytes(8))
    assert not gallery.confirm(5, gallery.keyframes[slot].digest)
    assert gallery.held == set()
    assert gallery.confirm(slot, gallery.keyframes[slot].digest)
    assert gallery.held == {slot}
    gallery.reconnected()
    assert gallery.held == set()
    assert slot in gallery.keyframes


def test_the_distance_grows_with_the_error(clip):
    frame = next(iter(file_ticks(clip))).frames[0]
    assert frame is not None
    assert distance(frame, frame) == pytest.approx(0, abs=1e-6)
    shifted = [distance(frame, np.roll(frame, n, axis=1)) for n in (1, 4, 16)]
    assert 0 < shifted[0] < shifted[1] < shifted[2] < 1


def test_the_constants_are_consistent():
    assert SEND_LOOKS <= LIFE
