"""The command line as a user meets it: help, JSON, one-line errors, exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bench.demo import shipped_clip
from commands.options import say, show
from facewire import app, main

SUBCOMMANDS = (
    "demo",
    "serve",
    "call",
    "send",
    "receive",
    "encode",
    "decode",
    "upsample",
    "train",
    "export",
    "doctor",
    "token",
    "bench",
)


def run(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facewire", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_subcommand_has_help(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    # ONNX Runtime may add a line of its own on machines whose graphics card it can't identify.
    said = [line for line in done.stderr.strip().splitlines() if "onnxruntime" not in line]
    assert len(said) == 1, done.stderr
    assert all(w in done.stderr for w in words), done.stderr


def test_bad_input_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    bad, clip = tmp_path / "bad.fw", str(shipped_clip())
    bad.write_bytes(b"nonsense")
    refused(run("decode", str(bad), str(tmp_path / "o.mp4")), "not a .fw file")

    def here(*arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process, which has already loaded everything."""
        monkeypatch.setattr(sys, "argv", ["facewire", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capfd.readouterr()
        code = stopped.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    refused(here("decode", str(tmp_path / "none.fw"), str(tmp_path / "o.mp4")), "none.fw")
    refused(here("encode", str(bad), str(tmp_path / "o.fw")), "bad.fw")
    refused(here("encode", clip, str(tmp_path / "no" / "o.fw")), "o.fw")
    refused(here("send", "room", "--video", str(tmp_path / "none.mp4")), "no such file")
    refused(here("send", "room", "--video", clip, "--server", "http://127.0.0.1:9"), "no signaling server", "facewire serve")
    refused(here("send", "bad room", "--video", clip, "--server", "http://127.0.0.1:9"), "room")
    refused(here("receive", "room", "--device", "abacus"), "abacus")
    refused(here("receive", "room", "--weights", str(tmp_path / "none")), "no such folder")
    refused(here("receive", "room", "--out", "film.avi"), "film.avi")
    refused(here("receive", "room", "--out", str(tmp_path / "a.fw"), "--out", str(tmp_path / "b.fw")), "b.fw")
    refused(here("call", "room", "--video", clip, "--ice", "smoke:signals"), "ICE")
    refused(here("train", "--data", str(tmp_path), "--losses", str(tmp_path)), "no such file")
    refused(here("export", str(bad), str(tmp_path / "none.pt")), "no such file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.fw"]


def test_brackets_in_file_names_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show({"file": "talk [id123] [/y].fw"}, json=False)
    say("talk [id123] [/y].mp4: no face")
    said = capsys.readouterr()
    assert "talk [id123] [/y].fw" in said.out
    assert "talk [id123] [/y].mp4: no face" in said.err


def test_bad_options_are_named() -> None:
    for named, *arguments in (
        ("--crop", "encode", "a", "b", "--crop", "round"),
        ("--bitrate", "encode", "a", "b", "--bitrate", "5"),
        ("room", "send"),
        ("--video", "send", "r", "--video", "page"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert named in done.stderr.lower()


def test_encode_reports_bits_and_quality(tmp_path: Path) -> None:
    done = run("encode", str(shipped_clip()), str(tmp_path / "o.fw"), "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert {"bpp_video", "bpp_with_keyframe", "pictures", "bits_per_picture", "lowres_psnr_db"} <= figures.keys()
    assert figures["pictures"] == 100
    assert figures["bpp_video"] < 0.0012
    pictures = figures["bits_per_picture"] * 5 / (25 * 65536)
    assert figures["bpp_video"] == pytest.approx(pictures + figures["bpp_shape"], rel=1e-6)
    assert 0 < figures["bpp_shape"] < 0.0003
    assert figures["lowres_psnr_db"] > 45
    assert figures["bytes"] == (tmp_path / "o.fw").stat().st_size


def test_doctor_reports_in_json_and_by_exit_code() -> None:
    done = run("doctor", "--json")
    found = {f["name"]: f for f in json.loads(done.stdout)}
    assert {"networks", "Opus", "camera", "microphone", "speakers", "UDP", "CUDA"} <= found.keys()
    assert done.returncode == int(any(f["needed"] and not f["good"] for f in found.values()))
    assert all(f["advice"] for f in found.values() if not f["good"])


def test_doctor_names_missing_packages_and_how_to_install_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # hides all programs
    (found,) = [f for f in json.loads(run("doctor", "--json").stdout) if f["name"] == "system packages"]
    assert not found["good"]
    assert not found["needed"]
    assert "chromium (tests and bench.calls.delay --page: a real browser)" in found["found"]
    assert found["advice"].startswith("apt-get install ")
    assert {"chromium", "coturn", "redis-server", "pulseaudio"} <= set(found["advice"].split())


def test_version() -> None:
    assert run("--version").stdout.strip().count(".") == 2


def test_every_command_and_option_is_in_the_usage_page() -> None:
    page = (Path(__file__).parents[1] / "docs" / "usage.md").read_text("utf-8")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert re.search(rf"\b{name}\b", page), name
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--") and option not in ("--help", "--json"):
                    assert f"`{option}" in page, f"{name} {option}"
