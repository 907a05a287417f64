"""Long work tells how far it is: a bar on a terminal, lines elsewhere, nothing where figures alone are wanted."""

import io
import sys
import threading

import pytest

from bench import progress as module
from bench.demo import RECEIVED, SENT, live
from bench.progress import clock, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_come_now_and_then(monkeypatch, capsys):
    now = [100.0]
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
    with progress("encoding", 500, "frames") as tell:
        tell(250, "24 FPS")
    assert "encoding" in screen.getvalue()
    assert "250 of 500 frames  24 FPS" in screen.getvalue()


def test_who_wants_figures_alone_hears_nothing(capsys):
    with progress("encoding", 500, "frames", quiet=True) as tell:
        tell(1, "much")
    with clock("calling", 1, quiet=True):
        pass
    assert capsys.readouterr().err == ""


def test_a_clock_tells_what_is_known_and_ends_with_the_work(monkeypatch, capsys):
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(module, "EVERY", 0.0)
    asked = threading.Event()

    def note() -> str:
        asked.set()
        return "24 FPS"

    def work() -> None:
        with clock("calling", 20, note=note):
            assert asked.wait(60)
            raise ValueError("the work failed")

    with pytest.raises(ValueError, match="the work"):
        work()
    said = capsys.readouterr().err
    assert "calling: 0 of 20 s  24 FPS" in said
    assert not [t for t in threading.enumerate() if t.name == "progress"]


def test_the_demo_tells_its_call(tmp_path):
    assert live(tmp_path) == "connecting"
    (tmp_path / SENT).write_text('{"t": 1.0, "out": 1000}\n{"t": 2.0, "out": 2500}\n{"t": 3.0, "out')
    (tmp_path / RECEIVED).write_text('{"t": 1.0, "fps": 24.5, "delay_ms": 271.4}\n')
    assert live(tmp_path) == "24 FPS  12.0 kbit/s  271 ms"
    (tmp_path / RECEIVED).write_text('{"t": 1.0, "fps": 0.0, "delay_ms": null}\n')
    assert live(tmp_path) == "0 FPS  12.0 kbit/s"
