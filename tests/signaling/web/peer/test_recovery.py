"""How the page recovers from failures: of rendering workers, the signaling socket, and downloads."""

from typing import Any

import pytest

from tests.signaling.web.peer.conftest import Browser

READY: list[dict[str, Any]] = [{"kind": "ready", "ms": 30}, {"kind": "chosen", "step": "step-small-int8.onnx", "ms": 30}]
BROKEN = {"kind": "broken"}
JOINED = [[0.1, "open"], [0.2, {"type": "joined", "ice": []}]]


def error(code: str) -> dict[str, str]:
    return {"type": "error", "code": code, "message": "in words"}


def drawn(browser: Browser, *said: tuple[int, dict[str, Any]], close: bool = False) -> tuple[list[str], list[dict[str, Any]]]:
    found = browser.ask("drawing", said=said, close=close)
    return found["told"], found["workers"]


def test_workers_whose_frames_fail_are_replaced_once(browser: Browser) -> None:
    both = [(0, READY[0]), (0, READY[1]), (1, READY[0]), (1, READY[1])]
    told, workers = drawn(browser, *both)
    assert told == ["port", "ready", "chosen", "port", "complete"]
    assert [w["ended"] for w in workers] == [False, False]
    told, workers = drawn(browser, *both, (0, BROKEN))
    assert told[5:] == ["gone"]
    assert [w["ended"] for w in workers] == [True, True, False]
    # The new worker gets the keyframe and chooses its network again.
    assert [(m["kind"], m.get("step"), m.get("slot")) for m in workers[2]["sent"]] == [("keyframe", None, 3), ("start", "", None)]
    # A message of the other old worker may still be on its way.
    told, workers = drawn(browser, *both, (0, BROKEN), (1, BROKEN), (2, READY[0]))
    assert told[5:] == ["gone", "port", "ready"]
    assert len(workers) == 3
    told, workers = drawn(browser, *both, (0, BROKEN), (2, READY[0]), (2, BROKEN))
    assert told[-1] == "failed: every frame fails"
    assert len(workers) == 3


def test_after_the_call_nothing_is_replaced(browser: Browser) -> None:
    told, workers = drawn(browser, (0, READY[0]), close=True)
    assert told == ["port", "ready"]
    assert [w["ended"] for w in workers] == [True]


@pytest.mark.parametrize("late", [0, 0.7])
def test_a_connection_is_up_once_channels_and_descriptions_are_known(browser: Browser, late: float) -> None:
    """Channels may open before the answer's description is known; the safety code is made from it."""
    assert browser.ask("connecting", late=late) == [{"session": "other", "at": pytest.approx(2 + late), "fingerprints": True}]


@pytest.mark.parametrize("code", ["lost", "shutdown", "stale", "unavailable"])
def test_a_lost_socket_is_opened_again_in_the_same_place(browser: Browser, code: str) -> None:
    first = [*JOINED, [5, error(code)], [5.1, "close"]] if code != "lost" else [*JOINED, [5, "close"]]
    found = browser.ask("signaling", script=[first, JOINED], until=30)
    assert found["told"] == ["joined", "lost", "joined"]
    assert not found["over"]
    one, two = found["sockets"]
    assert two["at"] < 6
    assert one["sent"][0]["type"] == "join"
    assert one["sent"] == two["sent"], "the same token must be sent, because it keeps the place"


def test_a_full_room_ends_the_call_at_once(browser: Browser) -> None:
    found = browser.ask("signaling", script=[[[0.1, "open"], [0.2, error("room_full")], [0.3, "close"]]], until=30)
    assert found["told"] == ["ended: room_full at 0"]
    assert found["over"]
    assert len(found["sockets"]) == 1


def test_an_absent_server_is_retried_longer_while_a_connection_exists(browser: Browser) -> None:
    found = browser.ask("signaling", script=[[[0.1, "close"]]], until=300)
    assert found["over"]
    assert found["told"][-1] in ("ended: lost at 60", "ended: lost at 61", "ended: lost at 62")
    assert 25 < len(found["sockets"]) < 60, "the number of attempts must be limited"
    found = browser.ask("signaling", script=[[[0.1, "close"]]], until=300, connectedUntil=120)
    assert found["told"][-1].startswith("ended: lost at 18")


def test_a_socket_that_only_looks_open_is_replaced(browser: Browser) -> None:
    found = browser.ask("signaling", script=[[*JOINED, [9, {"do": "reopen"}]], JOINED], until=30)
    assert found["told"] == ["joined", "lost", "joined"]
    assert found["sockets"][1]["at"] == pytest.approx(9.2, abs=0.1)


def test_after_leaving_no_other_socket_is_opened(browser: Browser) -> None:
    leaving = [*JOINED, [4, "close"], [4.1, {"do": "close"}]]
    found = browser.ask("signaling", script=[leaving], until=30)
    assert found["over"]
    assert found["told"] == ["joined", "lost"]
    assert len(found["sockets"]) == 1


def test_an_interrupted_download_restarts(browser: Browser) -> None:
    found = browser.ask("download", answers=[{"pieces": [700, 300], "well": False}, {"pieces": [700, 800, 500], "well": True}])
    assert (found["asked"], found["failed"]) == (2, "")
    assert found["progress"] == 2000, "the progress must count only the current attempt"
    assert found["given"] == [[2000, 2]], "the result must contain nothing of the first attempt"


def test_a_download_that_never_succeeds_is_reported(browser: Browser) -> None:
    found = browser.ask("download", answers=[{"pieces": [100], "well": False}] * 4)
    assert (found["asked"], found["failed"]) == (4, "the network is away")
    assert found["given"] == []
    assert found["seconds"] >= 7.5
