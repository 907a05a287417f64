"""The page's receiver and adaptation compared with Python's: frames of ticks, sound, clock, ladder."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from codec.bundle import Bundle
from codec.media.types import Float32, UInt8
from models.runtime.upsampler import Interpolator
from receiver.arrivals import Arrivals
from receiver.consistency import consistency_db
from receiver.playout_delay import PlayoutClock
from receiver.stretch import fit
from receiver.tick_decoder import TickDecoder
from sender.adaptation.congestion import QueueWatch
from sender.adaptation.ladder import Ladder
from sender.adaptation.redundancy import Redundancy
from sender.capture.sources import file_ticks
from sender.stream import SenderStream, StreamConfig
from tests.signaling.web.peer.conftest import Browser


def test_ticks_become_the_same_frames_as_in_python(browser: Browser, clip: Any) -> None:
    """The stream has a lost bundle, one that is left out in silence, and a picture that can't be decoded."""
    stream, decoder = SenderStream(StreamConfig(pauses=True)), TickDecoder(Interpolator())
    bundles, wanted, sounds, keyframes = [], [], [], []
    known: set[int] = set()
    for i, tick in enumerate(file_ticks(clip)):
        if i == 24:
            break
        if 10 <= i < 16:
            tick.sound[:] = 0
        at = stream.at_ms
        bundle: Bundle | None = stream.bundle(tick)
        for slot, keyframe in stream.keyframes.gallery.keyframes.items():
            if slot not in known:
                known.add(slot)
                keyframes.append({"slot": slot, "data": keyframe.data.hex(), "atMs": at})
                decoder.set_keyframe(slot, keyframe.thumbnail, keyframe.points)
        if i in (8, 20):
            bundle = None
        if bundle and i == 18:
            bundle = Bundle.parse(Bundle(bundle.number, bundle.time, picture=b"\xff\xff\xff", sound=bundle.sound).pack())
        if bundle:
            decoder.arrived(bundle)
        output = decoder.tick(at, 200, bundle)
        bundles.append({"atMs": at, "tickMs": 200, "bundle": bundle and bundle.pack().hex()})
        sounds.append(output.sound.tolist())
        wanted.append(output)
    assert any(entry["bundle"] is None for entry in bundles[10:16]), "no bundle was left out in silence"
    found = browser.ask("ticks", keyframes=keyframes, bundles=bundles, sounds=sounds)
    shapes = 0
    for told, output in zip(found, wanted, strict=True):
        assert (told["concealed"], told["hidden"]) == (output.concealed, output.hidden)
        assert [f["number"] for f in told["frames"]] == [f.number for f in output.frames]
        for frame, own in zip(told["frames"], output.frames, strict=True):
            assert frame["slot"] == own.slot
            driven = frame["driven"]
            assert np.allclose(driven["pictures"], own.pictures.reshape(-1), atol=3e-3)
            assert np.allclose(driven["speech"], own.speech.reshape(-1), atol=3e-3)
            assert (driven["shape"] is None) == (own.shape is None)
            if own.shape is not None:
                shapes += 1
                assert np.allclose(driven["shape"], own.shape.reshape(-1), atol=1e-5)
    assert shapes > 50


def test_larger_pictures_have_the_same_detail_as_in_python(browser: Browser, clip: Any) -> None:
    stream, decoder = SenderStream(StreamConfig(keyframe="first", size=16)), TickDecoder(Interpolator())
    bundles, wanted, keyframe = [], [], None
    for _, tick in zip(range(3), file_ticks(clip), strict=False):
        at, bundle = stream.at_ms, stream.bundle(tick)
        assert bundle is not None
        if keyframe is None:
            keyframe = stream.keyframes.gallery.keyframes[0]
            decoder.set_keyframe(0, keyframe.thumbnail, keyframe.points)
        decoder.arrived(bundle)
        wanted.append(decoder.tick(at, 200, bundle))
        bundles.append({"atMs": at, "tickMs": 200, "bundle": bundle.pack().hex()})
    assert keyframe is not None
    keyframes, sounds = [{"slot": 0, "data": keyframe.data.hex(), "atMs": 0}], [o.sound.tolist() for o in wanted]
    found = browser.ask("ticks", keyframes=keyframes, bundles=bundles, sounds=sounds)
    for told, output in zip(found, wanted, strict=True):
        for frame, own in zip(told["frames"], output.frames, strict=True):
            assert own.detail is not None
            assert np.allclose(frame["driven"]["detail"], own.detail.reshape(-1), atol=4e-3)


def test_sound_is_stretched_as_in_python(browser: Browser) -> None:
    rng, at = np.random.default_rng(2), np.arange(3200) / 16_000
    voice = (0.3 * np.sin(2 * np.pi * 140 * at) + 0.1 * np.sin(2 * np.pi * 420 * at)).astype(np.float32)
    noise, silence = rng.normal(0, 0.2, 3200).astype(np.float32), np.zeros(3200, np.float32)
    for sound in (voice, noise, silence):
        for change in (-320, -100, 0, 100, 320):
            wanted: Float32 = fit(sound, change)
            told = browser.ask("fit", sound=sound.tolist(), change=change)
            assert len(told) == len(wanted)
            assert np.allclose(told, wanted, atol=1e-5)


def test_the_playout_clock_agrees_with_pythons(browser: Browser) -> None:
    rng, clock = np.random.default_rng(7), PlayoutClock()
    arrivals = []
    for i in range(80):
        late = float(rng.random() < 0.1) * 0.05
        arrivals.append((0.2 * i, 0.2 * i + 0.05 + float(rng.exponential(0.02)), late))
    told = browser.ask("playout", arrivals=arrivals)
    for (end, now, late), found in zip(arrivals, told, strict=True):
        clock.arrived(end, now)
        change = clock.change(0.2, late)
        clock.move(change)
        assert np.allclose(found, [clock.due(end), clock.margin, change, clock.buffered()], atol=1e-9)


def test_arrivals_are_reported_as_in_python(browser: Browser) -> None:
    rng, arrivals = np.random.default_rng(8), Arrivals()
    numbers = [(int(65_500 + i) & 0xFFFF, bool(rng.random() < 0.9)) for i in range(90) if rng.random() < 0.8]
    told = browser.ask("arrivals", numbers=numbers)
    for (number, picture), (report, loss) in zip(numbers, told, strict=True):
        arrivals.add(number, picture)
        own = arrivals.report()
        assert report == (own and {"newest": own.newest, "loss": own.loss})
        assert abs(loss - arrivals.loss) < 1e-12


def test_the_sender_adapts_as_in_python(browser: Browser) -> None:
    rng = np.random.default_rng(9)
    for limit, pairs in ((12, True), (12, False), (40, True)):
        ladder, queue, redundancy = Ladder(limit), QueueWatch(), Redundancy()
        reports, steps = [], set()
        ladder.takes_pairs(pairs)
        for i in range(600):
            bad = 150 < i < 230 or 400 < i < 420
            way = None if rng.random() < 0.1 else 0.1 + float(rng.random()) * 0.02 + 0.6 * (300 < i < 330)
            trip = 0.1 + 0.5 * (310 < i < 345) + float(rng.random()) * 0.01
            reports.append((way, float(0.2 * bad + 0.01 * rng.random()), i * 0.2, trip))
        told = browser.ask("adapt", limit=limit, pairs=pairs, trip=0.1, restart=330, reports=reports)
        queue.restarted(0.0, 0.1)
        for i, ((way, loss, now, newest), found) in enumerate(zip(reports, told, strict=True)):
            if i == 330:
                queue.restarted(now, 0.1)
                redundancy.restarted()
                ladder.restarted(now)
            filling = queue.report(way, now, newest)
            ladder.report(loss, filling, now, queue.confirmed, queue.known_empty)
            step = ladder.step
            steps.add(step)
            twice = redundancy.report(loss, filling or step.paired, now)
            assert found[:5] == [filling, step.tick_mode, step.bitrate, twice, step.paired]
            assert abs(found[5] - ladder.proven(now).kbps) < 1e-9
        assert any(step.paired for step in steps) == pairs


def test_frames_are_rendered_as_fast_as_the_machine_can(browser: Browser) -> None:
    """Five frames a second if a frame takes 180 ms, all 25 if it takes 20."""
    slow = [(0.18, i * 0.2) for i in range(60)]
    fast = [(0.02, 12 + i * 0.1) for i in range(200)]
    strides = browser.ask("pace", frames=slow + fast)
    assert strides[59] == 5
    assert strides[-1] == 1


def test_consistency_is_measured_as_in_python(browser: Browser) -> None:
    rng = np.random.default_rng(4)
    small: UInt8 = rng.integers(40, 200, (8, 8, 3)).astype(np.uint8)
    frame = np.clip(small.repeat(32, 0).repeat(32, 1) + rng.normal(3, 4, (256, 256, 3)), 0, 255).astype(np.uint8)
    wanted = consistency_db(frame, (small / 255).astype(np.float32).transpose(2, 0, 1))
    data = base64.b64encode(np.dstack([frame, np.full((256, 256), 255, np.uint8)]).tobytes()).decode()
    told = browser.ask("consistency", frame=data, small=small.reshape(-1).tolist())
    assert abs(told - wanted) < 0.5  # Python rounds to bytes first


def test_speech_is_distinguished_from_silence(browser: Browser) -> None:
    rng, at = np.random.default_rng(5), np.arange(9600) / 48_000
    noise = [rng.normal(0, 0.003, 9600) for _ in range(20)]
    speech = [0.2 * np.sin(2 * np.pi * 200 * at) * (np.sin(2 * np.pi * 4 * at) > 0) + n for n in noise[:5]]
    ticks = [*noise[:10], *speech, *noise[10:]]
    told = browser.ask("voice", rate=48_000, ticks=[np.asarray(t).tolist() for t in ticks])
    assert all(told[10:15])
    assert not any(told[5:10])
    assert told[15], "the quiet end of a word must count as speech"
    assert not any(told[18:])


def test_resampled_sound_is_the_same_sound(browser: Browser) -> None:
    for source, to in ((48_000, 16_000), (44_100, 48_000), (16_000, 48_000)):
        at = np.arange(source // 2) / source
        pieces = np.array_split(np.sin(2 * np.pi * 440 * at).astype(np.float32), 23)
        told = np.array(browser.ask("resample", **{"from": source}, to=to, pieces=[p.tolist() for p in pieces]))
        assert abs(len(told) - to // 2) < to / 1000
        wanted = np.sin(2 * np.pi * 440 * np.arange(len(told)) / to)
        assert np.abs(told - wanted)[to // 500 : -to // 500].max() < 0.01, (source, to)


def test_a_webp_with_a_colour_profile_becomes_a_plain_one(browser: Browser, frames: list[UInt8]) -> None:
    out = io.BytesIO()
    Image.fromarray(frames[0][:256, :256]).save(out, "WEBP", quality=80, icc_profile=b"profile " * 20)
    assert out.getvalue()[12:16] == b"VP8X"
    plain = bytes.fromhex(browser.ask("plainWebp", data=out.getvalue().hex()))
    assert browser.ask("imageSize", data=plain.hex()) == {"form": "webp", "width": 256, "height": 256}
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(plain))), np.asarray(Image.open(out)))
    assert browser.ask("plainWebp", data=b"no picture at all".hex()) is None
