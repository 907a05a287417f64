"""The page's live player does as Python's (tests/receiver/test_player.py): loss, late bundles, a new stream, silence, a
machine that slept. Time is virtual, so counts are exact on any machine."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from codec.bundle import Bundle, Face
from codec.keyframe import Keyframe
from tests.signaling.web.peer.conftest import Browser

BEGIN = 1.0
"""When the first bundle comes."""
TICK = 0.2


@pytest.fixture
def stream(recorded: tuple[Keyframe, list[Bundle], list[np.ndarray]]) -> tuple[Keyframe, list[Bundle]]:
    """A keyframe and four seconds of bundles, each predicted from the keyframe alone."""
    return recorded[:2]


class Played:
    """What became of bundles that came in time unless ``late`` (seconds by number) or ``lost`` says otherwise."""

    def __init__(
        self, browser: Browser, keyframe: Keyframe, bundles: list[Bundle], lost: tuple[int, ...] = (),
        late: dict[int, float] | None = None, after: float = 3.0, pause: float = 0.0, **more: Any,
    ) -> None:  # fmt: skip
        due = [BEGIN + i * TICK + (late or {}).get(i, 0.0) + pause * (i >= len(bundles) // 2) for i in range(len(bundles))]
        sent = sorted((t, b.pack().hex()) for i, (t, b) in enumerate(zip(due, bundles, strict=True)) if i not in lost)
        asked = {"keyframe": keyframe.data.hex(), "bundles": sent, "until": due[-1] + after} | more
        found = browser.ask("livePlayer", **asked)
        self.count, self.loss, self.report, self.face = (found[k] for k in ("count", "loss", "report", "face"))
        self.frames, self.hides = found["frames"], found["hides"]
        self.sounds: list[tuple[float, int]] = [(s["at"], s["length"]) for s in found["sounds"]]
        self.delay: float = found["delay"]

    @property
    def numbers(self) -> list[int]:
        return [f["number"] for f in self.frames]

    def gaps(self, first: float = 0.0) -> list[float]:
        """Seconds between the end of each tick's sound and the beginning of the next, from ``first`` on."""
        rows = [s for s in self.sounds if s[0] >= first]
        return [b - a - length / 16_000 for (a, length), (b, _) in pairwise(rows)]


def test_what_comes_in_time_is_shown_and_heard_in_order(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, after=0.9)
    assert played.numbers == sorted(set(played.numbers))
    assert {*range(5, 95)} <= {*played.numbers}
    assert {name: played.count[name] for name in ("bundles", "broken", "late")} == {"bundles": 20, "broken": 0, "late": 0}
    assert played.count["ticks"] - played.count["concealed"] == 20, "only what lies behind the last is made up"
    assert max(map(abs, played.gaps())) < 0.011, "sound goes on without a break"
    # Each frame is asked for a little before it is due, by what drawing takes.
    assert all(0 <= f["due"] - f["at"] < 0.05 for f in played.frames[5:])
    assert played.report == {"newest": 19, "loss": 0}


def test_lost_bundles_are_concealed_and_reported(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, lost=(4, 9), after=0.9)
    assert played.count["concealed"] >= 2
    assert 0.05 < played.loss < 0.2
    assert played.numbers[-1] > 85
    assert max(played.gaps()) < 0.011


def test_the_clock_makes_room_for_what_comes_late(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    late = dict.fromkeys(range(8, 20), 0.15)
    played = Played(browser, *stream, late=late, after=1.5)
    usual = Played(browser, *stream, after=1.5)
    assert 1 <= played.count["late"] <= 3, "after the first the clock waits long enough"
    assert played.delay > usual.delay + 0.05
    assert played.numbers[-1] > 85


def test_a_sender_that_begins_anew_is_followed(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    keyframe, bundles = stream
    far = [replace(b, number=(b.number + 5000) & 0xFFFF, time=(b.time + 20_000) & 0xFFFF) for b in bundles[:9]]
    played = Played(browser, keyframe, [*bundles[:9], *far])
    assert played.count["ticks"] < 45, "nothing is made up for what lies between"
    assert sum(n >= 10_000 for n in played.numbers) > 20


def test_a_sender_that_stood_still_is_followed(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, pause=3.0)
    assert played.count["late"] < 12
    assert len({n for n in played.numbers if n >= 50}) > 25


def test_a_stream_that_ends_is_not_played_for_ever(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    short, long = (Played(browser, *stream, after=after) for after in (8.0, 60.0))
    assert short.count["ticks"] == long.count["ticks"] < 20 + 5 / TICK + 3


def test_a_camera_that_goes_off_is_hidden_when_it_is_due(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    keyframe, bundles = stream
    off = [Bundle(b.number, b.time, 0, None, b.sound, face=Face.CAMERA_OFF) for b in bundles[12:]]
    played = Played(browser, keyframe, [*bundles[:12], *off], after=1.5)
    assert played.face == Face.CAMERA_OFF
    assert len(played.hides) == 1
    assert max(played.numbers) < 60
    assert all(f["due"] < played.hides[0] for f in played.frames)


def test_a_machine_that_slept_goes_on_where_the_call_is(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, asleep=[2.1, 4.1], after=1.5)
    assert played.count["ticks"] < 20
    after = [f for f in played.frames if f["at"] > 4.5]
    assert len(after) > 5
    assert max(played.gaps(4.6)) < 0.011


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, bytes(2000), b"\x01\0\0\0\0\xff"])
def test_rubbish_is_counted(browser: Browser, stream: tuple[Keyframe, list[Bundle]], data: bytes) -> None:
    found = browser.ask("livePlayer", keyframe=stream[0].data.hex(), bundles=[[1.0, data.hex()]], until=3.0)
    assert found["count"] == {"bundles": 0, "broken": 1, "late": 0, "ticks": 0, "concealed": 0}
