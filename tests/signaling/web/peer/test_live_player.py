"""The page's live player behaves like Python's (tests/receiver/test_player.py): loss, late bundles, a new stream,
silence, a machine that slept. Time is virtual, so counts are exact on any machine."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from codec.bundle import Bundle, Face
from codec.keyframe import Keyframe
from tests.signaling.web.peer.conftest import Browser

BEGIN = 1.0
"""Time in seconds at which the first bundle arrives."""
TICK = 0.2


@pytest.fixture
def stream(recorded: tuple[Keyframe, list[Bundle], list[np.ndarray]]) -> tuple[Keyframe, list[Bundle]]:
    """A keyframe and four seconds of bundles, each predicted only from the keyframe."""
    return recorded[:2]


class Played:
    """The result of playing bundles, all in time except those in ``late`` (number → seconds) and in ``lost``."""

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
        """Seconds between the end of each tick's sound and the start of the next, from ``first`` on."""
        rows = [s for s in self.sounds if s[0] >= first]
        return [b - a - length / 16_000 for (a, length), (b, _) in pairwise(rows)]


def test_bundles_that_come_in_time_are_shown_and_heard_in_order(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, after=0.9)
    assert played.numbers == sorted(set(played.numbers))
    assert {*range(5, 95)} <= {*played.numbers}
    assert {name: played.count[name] for name in ("bundles", "broken", "late")} == {"bundles": 20, "broken": 0, "late": 0}
    assert played.count["ticks"] - played.count["concealed"] == 20, "only sound after the last bundle may be concealed"
    assert max(map(abs, played.gaps())) < 0.011, "sound must continue without a break"
    # Each frame is requested a little before it is due, by the time that rendering takes.
    assert all(0 <= f["due"] - f["at"] < 0.05 for f in played.frames[5:])
    assert played.report == {"newest": 19, "loss": 0}


def test_lost_bundles_are_concealed_and_reported(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, lost=(4, 9), after=0.9)
    assert played.count["concealed"] >= 2
    assert 0.05 < played.loss < 0.2
    assert played.numbers[-1] > 85
    assert max(played.gaps()) < 0.011


def test_the_clock_waits_longer_when_bundles_are_late(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    late = dict.fromkeys(range(8, 20), 0.15)
    played = Played(browser, *stream, late=late, after=1.5)
    usual = Played(browser, *stream, after=1.5)
    assert 1 <= played.count["late"] <= 3, "after the first late bundle the clock must wait long enough"
    assert played.delay > usual.delay + 0.05
    assert played.numbers[-1] > 85


def test_a_sender_that_restarts_is_followed(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    keyframe, bundles = stream
    far = [replace(b, number=(b.number + 5000) & 0xFFFF, time=(b.time + 20_000) & 0xFFFF) for b in bundles[:9]]
    played = Played(browser, keyframe, [*bundles[:9], *far])
    assert played.count["ticks"] < 45, "the ticks between must not be concealed"
    assert sum(n >= 10_000 for n in played.numbers) > 20


def test_a_sender_that_paused_is_followed(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, pause=3.0)
    assert played.count["late"] < 12
    assert len({n for n in played.numbers if n >= 50}) > 25


def test_a_stream_that_ends_is_not_played_for_ever(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    short, long = (Played(browser, *stream, after=after) for after in (8.0, 60.0))
    assert short.count["ticks"] == long.count["ticks"] < 20 + 5 / TICK + 3


def test_the_face_is_hidden_when_camera_off_is_due(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    keyframe, bundles = stream
    off = [Bundle(b.number, b.time, 0, None, b.sound, face=Face.CAMERA_OFF) for b in bundles[12:]]
    played = Played(browser, keyframe, [*bundles[:12], *off], after=1.5)
    assert played.face == Face.CAMERA_OFF
    assert len(played.hides) == 1
    assert max(played.numbers) < 60
    assert all(f["due"] < played.hides[0] for f in played.frames)


def test_a_machine_that_slept_continues_at_the_current_time(browser: Browser, stream: tuple[Keyframe, list[Bundle]]) -> None:
    played = Played(browser, *stream, asleep=[2.1, 4.1], after=1.5)
    assert played.count["ticks"] < 20
    after = [f for f in played.frames if f["at"] > 4.5]
    assert len(after) > 5
    assert max(played.gaps(4.6)) < 0.011


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, bytes(2000), b"\x01\0\0\0\0\xff"])
def test_invalid_data_is_counted(browser: Browser, stream: tuple[Keyframe, list[Bundle]], data: bytes) -> None:
    found = browser.ask("livePlayer", keyframe=stream[0].data.hex(), bundles=[[1.0, data.hex()]], until=3.0)
    assert found["count"] == {"bundles": 0, "broken": 1, "late": 0, "ticks": 0, "concealed": 0}
