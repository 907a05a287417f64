"""The page's choice and transfer of further keyframes, compared with Python's."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from codec.keyframe import encode_keyframe
from codec.media.types import UInt8
from codec.speech import SpeechDecoder
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.runtime.upsampler import Interpolator, Upsampler
from sender.capture.sources import Tick, file_ticks
from sender.keyframes.choice import KEPT, KeyframeChoice
from sender.keyframes.distance import distance
from sender.keyframes.gallery import Gallery, nearest
from sender.keyframes.refresh import Refresh
from sender.shapes import points_of
from sender.stream import SenderStream, StreamConfig
from signaling.call.pacing import OVERHEAD, PIECE_MAX, Pacer
from tests.signaling.web.peer.conftest import Browser


def rgba(rgb: UInt8) -> str:
    return base64.b64encode(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA).tobytes()).decode()


def picture(rgb: UInt8) -> dict[str, Any]:
    return {"width": 256, "height": 256, "data": rgba(rgb)}


@pytest.fixture(scope="module")
def crops(clip: Path) -> list[UInt8]:
    """Crops of the clip's face, four a second."""
    stream, found = SenderStream(StreamConfig()), []
    for tick in file_ticks(clip):
        stream.bundle(tick)
        found.append(stream.seen)
    return [crop for crop in found if crop is not None]


def test_the_same_candidate_is_chosen_after_each_picture(browser: Browser, crops: list[UInt8]) -> None:
    grey, leaning = np.full((256, 256, 3), 128, np.uint8), cv2.getRotationMatrix2D((128, 128), 12, 1)
    turned = [np.ascontiguousarray(cv2.warpAffine(crop, leaning, (256, 256), borderMode=cv2.BORDER_REPLICATE)) for crop in crops]
    blurred = [cv2.GaussianBlur(crop, (0, 0), 3) for crop in crops]
    shown = [grey, blurred[0], *crops[:3], *turned[10:18], grey, *crops[18:30], *blurred[30:34], *crops[34:38]]
    found = browser.ask("choice", crops=[picture(crop) for crop in shown])
    assert len(shown) > KEPT
    assert len({best for best, _ in found}) > 3
    choice = KeyframeChoice()
    for crop, (best, has_face) in zip(shown, found, strict=True):
        choice.add(crop)
        merit = {id(candidate.crop): merit for candidate, merit in zip(choice.candidates, choice.merits(), strict=True)}
        assert merit[id(shown[best])] >= 0.99 * max(merit.values())  # two candidates may be equally good
        assert has_face == choice.has_face


def test_distance_and_nearest_agree_with_pythons(browser: Browser, crops: list[UInt8]) -> None:
    first = crops[0]
    darker, mirrored = first // 2 + 10, np.ascontiguousarray(first[:, ::-1])
    for other in (first, crops[9], darker, mirrored, 255 - first):
        assert browser.ask("distance", a=picture(first), b=picture(other)) == pytest.approx(distance(first, other), abs=1e-5)
    held = {3: encode_keyframe(darker), 5: encode_keyframe(mirrored), 0: encode_keyframe(255 - first)}
    told = [[slot, keyframe.data.hex()] for slot, keyframe in held.items()]
    for crop in (first, darker, crops[9], 255 - crops[9]):
        found = nearest(crop, held)
        assert found is not None
        assert browser.ask("nearest", picture=picture(crop), keyframes=told) == found[0]
    assert browser.ask("nearest", picture=picture(first), keyframes=[]) is None


class Named:
    """A keyframe with nothing but a digest."""

    def __init__(self, name: int) -> None:
        self.digest = bytes([name]) * 8


def test_slots_are_assigned_as_in_python(browser: Browser) -> None:
    rng, gallery = np.random.default_rng(3), Gallery()
    steps: list[dict[str, int]] = []
    wanted: list[Any] = []
    names: dict[int, int] = {}
    for i in range(120):
        kind = rng.integers(3) if gallery.keyframes else 0
        if kind == 0:
            current = int(rng.choice(list(names))) if names else -1
            steps.append({"add": i, "current": current})
            wanted.append(gallery.add(Named(i), current))  # type: ignore[arg-type]
            names[wanted[-1]] = i
            continue
        slot = int(rng.choice(list(names)))
        if kind == 1:
            name = names[slot] if rng.random() < 0.8 else 255
            steps.append({"confirm": slot, "name": name})
            wanted.append(gallery.confirm(slot, bytes([name]) * 8))
        else:
            steps.append({"used": slot})
            gallery.used(slot)
            wanted.append(sorted(gallery.held))
    assert browser.ask("gallery", steps=steps) == wanted


def test_a_later_keyframe_waits_for_bandwidth_as_in_python(browser: Browser) -> None:
    rng, pacer = np.random.default_rng(4), Pacer(12.0)
    steps, wanted, sent = [], [], 0
    for i in range(200):
        sent += int(rng.integers(0, 500))
        carried, now = float(rng.choice([8.0, 12.0, 20.0])), 100.0 + 0.2 * i
        pacer.carried(carried)
        steps.append([carried, sent, now])
        wanted.append(pacer.room(sent, now))
    assert np.abs(np.subtract(browser.ask("keyframePace", limit=12, steps=steps), wanted)).max() <= 1
    assert max(wanted) > 0 > min(wanted)


def test_the_current_keyframe_is_sent_at_once_and_the_newest_in_pieces(browser: Browser) -> None:
    first, *bundles = browser.ask("pieces", sizes=[3000, 1000], room=300, bundles=6)
    assert {slot for slot, *_ in first} == {0}
    assert sum(size for *_, size in first) == 3000
    assert bundles == [[[1, at, min(300 - OVERHEAD, 1000 - at)]] for at in range(0, 1000, 300 - OVERHEAD)] + [[]] * 2
    assert browser.ask("pieces", sizes=[10, 1000], room=OVERHEAD + 50, bundles=2)[1:] == [[], []]
    assert browser.ask("pieces", sizes=[10, 1000], room=5000, bundles=1)[1] == [[1, 0, PIECE_MAX]]


def seen(clip: Path) -> list[Tick]:
    """Ten ticks each: the unchanged face, the face mirrored and darker, the unchanged face again."""
    ticks, out = list(file_ticks(clip))[:10], []
    for change in (lambda f: f, lambda f: np.ascontiguousarray(f[:, ::-1] // 2 + 10), lambda f: f):
        out += [Tick([change(f) for f in t.frames], t.sound, t.captured) for t in ticks]
    return out


def test_the_same_keyframes_are_advised_at_the_same_ticks(browser: Browser, clip: Path) -> None:
    stream, refresh = (
        SenderStream(StreamConfig(crop="none", keyframe="first")),
        Refresh(Upsampler(device="cpu-fp32"), Interpolator()),
    )
    detector, mesh, speech = BlazeFace(), FaceMesh(), SpeechDecoder()
    refresh._check_ms = check_ms = 400
    told: set[bytes] = set()
    ticks: list[dict[str, Any]] = []
    wanted: list[int | str | None] = []
    pixels: dict[str, str] = {}
    for number, tick in enumerate(seen(clip)):
        stream.framing.camera_off = number in (5, 6)  # earlier pictures are forgotten
        at_ms, bundle = stream.at_ms, stream.bundle(tick)
        keyframes, crop = stream.keyframes, np.zeros((256, 256, 3), np.uint8) if stream.seen is None else stream.seen
        assert keyframes.newest is not None
        assert bundle is not None
        keyframes.confirm(keyframes.slot, keyframes.newest.digest)
        held = keyframes.held
        new = {slot: k for slot, k in held.keyframes.items() if k.digest not in told}
        told |= {k.digest for k in new.values()}
        made = encode_keyframe(crop, points=points_of(crop, detector, mesh))
        pixels |= {k.digest.hex(): rgba(k.rgb) for k in (made, *new.values())}
        ticks.append({
            "atMs": at_ms, "bundle": bundle.pack().hex(), "crop": rgba(crop), "made": made.data.hex(),
            "sound": speech.decode(bundle.sound, 3200).tolist(), "slots": sorted(held.slots), "current": held.current,
            "keyframes": [[slot, k.data.hex()] for slot, k in new.items()], "maySend": held.may_send,
        })  # fmt: skip
        advice = refresh.tick(at_ms, 200, bundle, crop, held)
        wanted.append(None if advice is None else advice.keyframe.digest.hex() if advice.keyframe else advice.slot)
        if advice and advice.keyframe:
            keyframes.set(advice.keyframe)
        elif advice and advice.slot is not None:
            keyframes.use(advice.slot)
    assert any(isinstance(what, str) for what in wanted)
    assert any(isinstance(what, int) for what in wanted)
    found = browser.ask("refresh", ticks=ticks, checkMs=check_ms, pixels=pixels)
    assert found["advice"] == wanted
    assert found["count"] == {"looks": refresh.count.looks, "switched": refresh.count.switched, "sent": refresh.count.sent}
