"""Progress of long work: a bar on a terminal, lines elsewhere, nothing where only figures are requested."""

import io
import json
import sys
import threading

import pytest

from bench import progress as module
from bench.demo import RECEIVED, SENT, live
from bench.progress import clock, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_lines_come_at_intervals(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(module, "EVERY", 5.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("encoding", 500, "frames") as tell:
        for count in range(0, 500, 10):
            tell(count)
            now[0] += 0.7
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "encoding: 80 of 500 frames"
    assert len(lines) == 6  # one after each 5 s of the 35


def test_a_terminal_has_a_bar(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("encoding a [/y] [id] :smile:.mp4", 500, "frames") as tell:
        tell(250, "24 FPS")
    assert "encoding a [/y] [id] :smile:.mp4" in screen.getvalue()
    assert "250 of 500 frames  24 FPS" in screen.getvalue()


def test_quiet_prints_no_progress(capsys):
    with progress("encoding", 500, "frames", quiet=True) as tell:
        tell(1, "much")
    with clock("calling", 1, quiet=True):
        pass
    assert capsys.readouterr().err == ""


def test_a_clock_shows_the_known_figures_and_stops_when_the_work_fails(monkeypatch, capsys):
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(module, "EVERY", 0.0)
    asked = threading.Event()

    def look() -> tuple[float, str]:
        asked.set()
        return 3.0, "24 FPS"

    def work() -> None:
        with clock("calling", 20, look=look):
            assert asked.wait(60)
            raise ValueError("the work failed")

    with pytest.raises(ValueError, match="the work"):
        work()
    said = capsys.readouterr().err
    assert "calling: 3 of 20 s  24 FPS" in said
    assert not [t for t in threading.enumerate() if t.name == "progress"]


def test_the_demo_shows_the_figures_of_its_call(tmp_path):
    def sent(*lines: dict) -> None:
        (tmp_path / SENT).write_text("\n".join(map(json.dumps, lines)) + '\n{"t": 9.0, "out')

    assert live(tmp_path) == (0.0, "connecting")
    waiting = {"t": 1.0, "out": 0, "connected": False}
    one, two, three = ({"t": t, "out": out, "connected": True} for t, out in ((2.0, 1000), (3.0, 2500), (4.0, 4000)))
    received = {"t": 1.0, "fps": 24.5, "delay_ms": 271.4, "connected": True}
    sent(waiting)
    (tmp_path / RECEIVED).write_text(json.dumps(received) + "\n")
    assert live(tmp_path) == (0.0, "connecting")
    sent(waiting, one)
    assert live(tmp_path) == (0.0, "24 FPS  271 ms")
    sent(waiting, one, two, three)
    assert live(tmp_path) == (2.0, "24 FPS  12.0 kbit/s  271 ms")
    (tmp_path / RECEIVED).write_text(json.dumps(received | {"fps": 0.0, "delay_ms": None}) + "\n")
    assert live(tmp_path) == (2.0, "0 FPS  12.0 kbit/s")
