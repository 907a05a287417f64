"""Bundles to network inputs: numbering, windows, concealment."""

from dataclasses import replace

import numpy as np

from codec.bundle import Bundle
from codec.media.timing import RATE
from codec.speech import SpeechEncoder
from models.runtime.upsampler import Interpolator
from receiver.tick_decoder import FrameInput, TickDecoder, halfway, to_network


def play(interpolator: Interpolator, recorded, lost: frozenset[int] = frozenset()) -> list:
    keyframe, bundles, _ = recorded
    decoder, out = TickDecoder(interpolator), []
    decoder.set_keyframe(0, keyframe.thumbnail)
    for i, bundle in enumerate(bundles):
        if i not in lost:
            decoder.arrived(bundle)
        out.append(decoder.tick(i * 200, 200, None if i in lost else bundle))
    return out


def test_five_frames_a_tick_with_their_numbers(interpolator: Interpolator, recorded) -> None:
    out = play(interpolator, recorded)
    assert [f.number for t in out for f in t.frames] == list(range(100))
    assert all(len(t.sound) == 3200 and not t.concealed for t in out)
    assert all(f.pictures.shape == (5, 3, 8, 8) and f.speech.shape == (20, 80) for t in out for f in t.frames)


def test_the_last_frame_of_a_tick_has_the_sent_picture(interpolator: Interpolator, recorded) -> None:
    out = play(interpolator, recorded)
    for tick, picture in zip(out, recorded[2], strict=True):
        assert np.abs(tick.frames[-1].pictures[2] - to_network(picture)[0]).max() < 1e-6


def test_a_tick_seen_after_unseen_ones_ends_with_the_same_inputs(interpolator: Interpolator, recorded) -> None:
    keyframe, bundles, _ = recorded
    seen, now_and_then = TickDecoder(interpolator), TickDecoder(interpolator)
    for decoder in (seen, now_and_then):
        decoder.set_keyframe(0, keyframe.thumbnail)
    for i, bundle in enumerate(bundles):
        looked = i % 6 == 5
        for decoder in (seen, now_and_then):
            decoder.arrived(bundle)
        whole, other = seen.tick(i * 200, 200, bundle), now_and_then.tick(i * 200, 200, bundle, seen=looked)
        assert np.array_equal(whole.sound, other.sound)
        assert len(other.frames) == (5 if looked else 0)
        if looked:
            for a, b in zip(whole.frames[-1].inputs, other.frames[-1].inputs, strict=True):
                assert np.array_equal(a, b)


def test_windows_never_look_past_the_tick(interpolator: Interpolator, recorded) -> None:
    for tick in play(interpolator, recorded):
        newest = tick.frames[-1].pictures[2]
        assert (tick.frames[-1].pictures[3] == newest).all()
        assert (tick.frames[-1].pictures[4] == newest).all()
        assert (tick.frames[-2].pictures[3] == newest).all()


def test_windows_overlap_across_ticks(interpolator: Interpolator, recorded) -> None:
    out = play(interpolator, recorded)
    assert (out[3].frames[0].pictures[1] == out[2].frames[-1].pictures[2]).all()
    assert (out[3].frames[0].pictures[0] == out[2].frames[-2].pictures[2]).all()


def test_speech_windows_move_with_the_frames(interpolator: Interpolator, recorded) -> None:
    tick = play(interpolator, recorded)[10]
    a, b = tick.frames[0].speech, tick.frames[1].speech
    assert np.abs(a[4:16] - b[:12]).max() < 1e-5
    assert a.max() > -0.5  # there is speech


def test_a_lost_bundle_holds_the_picture_and_fades_the_sound(interpolator: Interpolator, recorded) -> None:
    out = play(interpolator, recorded, frozenset({8, 9}))
    assert out[8].concealed
    assert out[9].concealed
    assert np.abs(out[9].frames[-1].pictures[2] - out[7].frames[-1].pictures[2]).max() < 1e-6
    assert [f.number for t in out for f in t.frames] == list(range(100))
    assert np.abs(out[12].frames[-1].pictures[2] - to_network(recorded[2][12])[0]).max() < 1e-6


def test_redundant_sound_of_the_next_bundle_replaces_lost_sound(interpolator: Interpolator, recorded) -> None:
    keyframe, bundles, _ = recorded
    heard = []
    for again in ((), bundles[9].sound):
        decoder = TickDecoder(interpolator)
        decoder.set_keyframe(0, keyframe.thumbnail)
        for i in range(9):
            decoder.tick(i * 200, 200, bundles[i])
        heard.append(decoder.tick(1800, 200, None, again).sound)
    assert np.abs(heard[1]).mean() > 2 * np.abs(heard[0]).mean()


def test_nothing_is_shown_before_a_keyframe(interpolator: Interpolator, recorded) -> None:
    decoder = TickDecoder(interpolator)
    assert not decoder.arrived(recorded[1][0])
    assert decoder.errors == 1
    assert decoder.tick(0, 200, recorded[1][0]).frames == []


def test_a_broken_picture_is_counted_and_the_stream_continues(interpolator: Interpolator, recorded) -> None:
    keyframe, bundles, pictures = recorded
    decoder = TickDecoder(interpolator)
    decoder.set_keyframe(0, keyframe.thumbnail)
    broken = Bundle(0, 0, picture=b"\xff" * 8, sound=(b"\xff\xff\xff",))
    assert not decoder.arrived(broken)
    assert len(decoder.tick(0, 200, broken).sound) == 3200
    assert decoder.arrived(bundles[1])
    frames = decoder.tick(200, 200, bundles[1]).frames
    assert np.abs(frames[-1].pictures[2] - to_network(pictures[1])[0]).max() < 1e-6


def test_a_tick_left_out_in_silence_ends_with_the_picture_before_it(interpolator: Interpolator, recorded) -> None:
    """The motion is spread over both ticks, nothing counts as lost, and a bundle that arrives anyway is
    played."""
    keyframe, bundles, pictures = recorded
    decoder = TickDecoder(interpolator)
    decoder.set_keyframe(0, keyframe.thumbnail)
    small = [to_network(p)[0] for p in pictures]
    first = replace(bundles[5], pausing=True, sound=())
    for bundle in (*bundles[:5], first):
        decoder.arrived(bundle)
    for i in range(5):
        decoder.tick(i * 200, 200, bundles[i])
    one, two = decoder.tick(1000, 200, first), decoder.tick(1200, 200, None)
    assert not one.concealed
    assert not two.concealed
    assert np.abs(one.frames[-1].pictures[2] - (small[4] + small[5]) / 2).max() < 1e-6
    assert np.abs(two.frames[-1].pictures[2] - small[5]).max() < 1e-6
    assert [f.number for f in one.frames + two.frames] == list(range(25, 35))
    assert decoder.tick(1400, 200, None).concealed
    again = replace(bundles[8], pausing=True)
    for bundle in (again, bundles[9]):
        decoder.arrived(bundle)
    decoder.tick(1600, 200, again)
    after = decoder.tick(1800, 200, bundles[9])
    assert np.abs(after.frames[-1].pictures[2] - small[9]).max() < 1e-6
    assert np.abs(after.sound).max() > 0.01


def test_in_a_pause_the_background_noise_continues() -> None:
    """This is libopus's own comfort noise: concealed silence sounds like the noise before it."""
    encoder, decoder = SpeechEncoder(6_000, 200), TickDecoder(Interpolator())
    room = np.random.default_rng(2).standard_normal(RATE * 4).astype(np.float32) * 0.004
    for i, piece in enumerate(np.split(room, 20)):
        decoder.tick(i * 200, 200, Bundle(i, i * 10, sound=encoder.encode(piece)))
    pauses = [decoder.tick(4000 + i * 200, 200, Bundle(20 + i, 200 + i * 10, pausing=True)).sound for i in range(20)]
    assert 0.001 < np.sqrt((np.concatenate(pauses[5:]) ** 2).mean()) < 0.006


def test_halfway_between_two_frames() -> None:
    rows = np.arange(30, dtype=np.float32)[:, None].repeat(80, 1)
    a = FrameInput(7, np.zeros((5, 3, 8, 8), np.float32), rows[:20], 1, np.zeros((3, 64, 64), np.float32))
    b = FrameInput(8, np.ones((5, 3, 8, 8), np.float32), rows[4:24], 1, np.ones((3, 64, 64), np.float32))
    between = halfway(a, b)
    assert (a.at, between.at, b.at) == (14, 15, 16)
    assert (between.pictures == 0.5).all()
    assert (between.detail == 0.5).all()
    assert (between.speech == rows[2:22]).all()
    assert halfway(a, replace(b, slot=2)) is None
    assert halfway(a, replace(b, number=9)) is None
