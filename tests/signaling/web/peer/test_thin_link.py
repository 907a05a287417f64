"""The page on a low-bandwidth link: the transfer of the first keyframe, and bundles that share a packet."""

import numpy as np
import pytest

from codec.bundle import Bundle
from codec.bundle_pair import split_bundles
from signaling.call.pairing import Pairing, messages
from tests.signaling.web.peer.conftest import Browser


def test_a_withheld_keyframe_is_offered_again(browser: Browser) -> None:
    """The camera goes off during the transfer: nothing more is sent, and all of it is sent once the camera is back."""
    found = browser.ask("withheld")
    made, asked, off, back, late, again, held, _, renewed, *many = found["steps"]
    assert made == {"offers": 1, "bytes": 0}
    assert asked["offers"] == 1, "one request whether the first piece has arrived"
    assert 0 < asked["bytes"] < 9000
    assert off == {"offers": 0, "bytes": 0}
    assert back == {"offers": 1, "bytes": 0}
    assert late == {"offers": 0, "bytes": 0}, "a late answer to an earlier question must not count as a request"
    assert again["bytes"] == 9000
    assert held == {"offers": 0, "bytes": 0}, "the peer already has it"
    assert renewed["bytes"] >= 9000, "it was requested while the earlier transfer was still waiting"
    assert sum(step["bytes"] for step in many) <= 2 * 9000
    assert many[-1]["bytes"] == 0
    assert found["confirmed"] == [True, False, False]


@pytest.mark.parametrize("before", [0, 1500])
def test_on_a_low_bandwidth_link_the_first_keyframe_fills_no_queue(browser: Browser, before: int) -> None:
    """At 12.5 kbit/s, with and without bytes of the handshake left in the queue."""
    found = browser.ask("firstOverLink", size=6400, kbps=12.5, trip=0.1, before=before)
    assert found["slow"]
    assert found["queue"] < 0.7 + before / 1560
    assert 4.5 < found["took"] < 8.5
    assert found["took"] - 1.2 < found["held"] < 8.2, "bundles must wait for it"
    assert 1 + 3 <= found["questions"] <= 1 + 6, "the offer and some questions are expected"


def test_on_a_fast_link_the_first_keyframe_takes_one_more_round_trip(browser: Browser) -> None:
    found = browser.ask("firstOverLink", size=6400, kbps=2000, trip=0.1, before=0)
    assert not found["slow"]
    assert found["took"] < 0.4
    assert found["held"] < 0.4


def test_late_timers_do_not_make_a_link_look_fast(browser: Browser) -> None:
    """A hidden tab's timers run once a second."""
    found = browser.ask("firstOverLink", size=6400, kbps=12.5, trip=0.1, before=0, timers=1)
    assert found["slow"]
    assert found["queue"] < 1
    quick = browser.ask("firstOverLink", size=6400, kbps=2000, trip=0.1, before=0, timers=1)
    assert not quick["slow"]


def test_a_cancelled_transfer_holds_no_bundles_back_and_leaves_the_link_unrated(browser: Browser) -> None:
    found = browser.ask("firstOverLink", size=6400, kbps=12.5, trip=0.1, before=0, off=0.5)
    assert (found["took"], found["slow"]) == (None, False)
    assert found["held"] <= 0.5


def test_a_lost_question_costs_a_second_on_a_fast_link(browser: Browser) -> None:
    found = browser.ask("firstOverLink", size=6400, kbps=2000, trip=0.1, before=0, lost=[2])
    assert not found["slow"]
    assert 1 < found["took"] < 2.5


def test_bundles_are_paired_as_in_python(browser: Browser) -> None:
    rng, pairing = np.random.default_rng(12), Pairing()
    ticks: list[tuple[Bundle | None, bool]] = []
    for i in range(300):
        sound = (bytes(rng.integers(0, 256, int(rng.choice([40, 700])), dtype=np.uint8)),)
        bundle = Bundle(i, i * 10, sound=sound, pausing=bool(rng.random() < 0.1))
        ticks.append((bundle if rng.random() < 0.9 else None, bool((i // 20) % 2)))
    given = [(b and b.pack().hex(), bool(b and b.pausing), on) for b, on in ticks]
    told = browser.ask("paired", ticks=[*given, ["00", False, True], ["drop"], [None, False, False]])
    wanted = [[m.hex() for m in messages(pairing.put(bundle, on))] for bundle, on in ticks]
    assert [sent for sent, _ in told[:-3]] == wanted
    assert told[-3] == [[], True]
    assert told[-1] == [[], False], "a bundle held for a lost connection must not be sent"
    together = [b for sent in wanted for m in sent for b in split_bundles(bytes.fromhex(m))]
    assert together == [b.pack() for b, _ in ticks if b], "all bundles must be sent, in order"
    assert any(len(sent) == 2 for sent in wanted), "bundles that do not fit into one packet must be sent separately"
