"""What the subcommands share: options, and how figures are printed."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""Console for messages to the user; stdout is for results."""

Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Server = Annotated[str, typer.Option(envvar="FACEWIRE_SERVER", help="Signaling server, http(s)://HOST:PORT.")]
Ice = Annotated[list[str] | None, typer.Option("--ice", help="stun:HOST or turn:USER:PASSWORD@HOST; may be repeated.")]
IceFile = Annotated[Path | None, typer.Option("--ice-file", help="JSON file with an iceServers list.")]
Video = Annotated[str | None, typer.Option("--video", help="cam0, cam1, … or a file (a video or a photograph).")]
Audio = Annotated[str | None, typer.Option("--audio", help="mic, mic:NAME or a file; by default a video file's own sound.")]
CallVideo = Annotated[str | None, typer.Option(
    "--video", help="page (the browser's camera; the default if --out has it), cam0, cam1, … or a file (video or photograph).",
)]  # fmt: skip
CallAudio = Annotated[str | None, typer.Option(
    "--audio", help="page (the browser's microphone, with echo cancelling), mic, mic:NAME or a file.",
)]  # fmt: skip
Outs = Annotated[list[str] | None, typer.Option(
    "--out", help="page, window, speakers, speakers:NAME, FILE.mp4 or FILE.fw; may be repeated.",
)]  # fmt: skip
OpenPage = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")]
Crop = Annotated[str, typer.Option("--crop", help="face: follow the face; none: take the frame as it is.")]
ShapeOption = Annotated[
    bool,
    typer.Option("--shape/--no-shape", help="Send the positions of mouth, lids and head with each picture."),
]
KeyframeOption = Annotated[
    str, typer.Option("--keyframe", help="auto: the picture that is most like all others seen; first: the first one.")
]
Bitrate = Annotated[
    int, typer.Option("--bitrate", min=6000, max=24000, help="Lowest Opus bit rate, bit/s. What exceeds 6000 adds to --limit.")
]
FileBitrate = Annotated[int, typer.Option("--bitrate", min=6000, max=24000, help="Opus bit rate, bit/s.")]
Limit = Annotated[
    float,
    typer.Option("--limit", min=12, help="Target in kbit/s, if the network carries it; exceeded while audio is sent twice."),
]
Access = Annotated[str | None, typer.Option("--token", envvar="FACEWIRE_TOKEN", help="Token, if the server requires one.")]
RefreshOption = Annotated[bool, typer.Option(
    "--refresh/--no-refresh", help="Send another keyframe when it would show you better, as far as --limit allows.",
)]  # fmt: skip
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.2, help="Stop this many seconds after connecting.")]
Loop = Annotated[bool, typer.Option("--loop", help="Repeat a file from its start when it ends.")]
Port = Annotated[int, typer.Option("--page-port", min=0, max=65535, help="Port of the page at localhost; 0 takes a free one.")]
Fps = Annotated[int | None, typer.Option("--fps", help="Frames shown a second, 25 or 50; by default 50 on CUDA, else 25.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cpu-fp32, openvino, openvino-int8, openvino-fp32 or cuda.")]
Weights = Annotated[Path | None, typer.Option("--weights", help="Folder with other networks than the shipped ones.")]
Threads = Annotated[int, typer.Option("--threads", min=1, max=64, help="CPU threads of the networks.")]
TraceFolder = Annotated[Path | None, typer.Option("--trace", help="Record what is sent and shown to a folder, for measurements.")]
LightFolder = Annotated[Path | None, typer.Option(
    "--light", hidden=True, help="Record how bright and loud the call is to a folder, to measure delay and sync.",
)]  # fmt: skip
Stats = Annotated[Path | None, typer.Option("--stats", help="Write the call's figures to a file, one JSON line a second.")]

DEFAULT_SERVER = "http://127.0.0.1:8790"


def say(line: str) -> None:
    """Print a line for the user on stderr. Without markup, because file names and a server's messages must stay as they are."""
    errors.print(line, markup=False)


def print_table(table: Table) -> None:
    """Print a result on stdout. Without emoji, because a file's name may hold ``:smile:``."""
    Console(highlight=False, emoji=False).print(table)


def show(figures: dict[str, Any], json: bool) -> None:
    """Print figures: JSON on request, else a table."""
    if json:
        print(jsonlib.dumps(figures))
        return
    table = Table(show_header=False, box=None)
    for key, value in figures.items():
        if not isinstance(value, dict):
            table.add_row(key, escape(f"{value:.6g}" if isinstance(value, float) else str(value)))
    print_table(table)
