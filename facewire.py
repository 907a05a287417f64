"""The command line: each subcommand calls one of the packages. ``facewire --help`` lists them."""

import json as jsonlib
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from codec.errors import reason
from commands.calls import call, receive, send, stream_config
from commands.options import (
    Audio,
    Crop,
    Device,
    FileBitrate,
    Json,
    KeyframeOption,
    ShapeOption,
    Threads,
    Video,
    Weights,
    print_table,
    say,
    show,
)
from commands.serving import serve, token
from commands.training import export, train_app

__version__ = "0.1.0"

app = typer.Typer(
    help="A face-to-face video call in about 12 kbit/s.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for strip.png, moving.webp, call.mp4, report.json.")] = Path("demo-out"),
    video: Video = None, audio: Audio = None, seconds: Annotated[float, typer.Option(min=2)] = 20.0,
    page: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True, json: Json = False,
) -> None:  # fmt: skip
    """Make a whole call on this machine: two peers, real WebRTC, and a report."""
    from bench.demo import run_demo

    say(f"calling for {seconds:g} s; the pictures go to {out}/")
    show(run_demo(out, video, audio, seconds, page, say, json), json)


@app.command()
def encode(
    source: Path, out: Path, crop: Crop = "face", keyframe: KeyframeOption = "auto", bitrate: FileBitrate = 6000,
    size: Annotated[int, typer.Option(help="Side of the pictures: 8, 16 or 32.")] = 8,
    tick: Annotated[int, typer.Option(help="Milliseconds from picture to picture: 200, 100 or 60.")] = 200,
    refresh: Annotated[float, typer.Option(min=0, help="kbit/s for further keyframes where they look better; 0: none.")] = 0.0,
    shape: ShapeOption = True, weights: Weights = None, device: Device = "auto", json: Json = False,
) -> None:  # fmt: skip
    """Encode a video file to a .fw file."""
    from bench.progress import progress
    from codec.media.files import expected_frames
    from sender.encode_file import encode_file, without_face
    from sender.file_refresh import FileRefresh

    if not refresh and (weights is not None or device != "auto"):
        raise typer.BadParameter("nothing is rendered without --refresh", param_hint="--device, --weights")
    with progress(f"encoding {source.name}", expected_frames(source), "frames", json) as update:
        watch = FileRefresh(refresh, weights=weights, device=device, shape=shape) if refresh else None
        encoded = encode_file(source, out, stream_config(crop, keyframe, bitrate, size, tick, shape=shape), update, watch)
    count = encoded.count
    if encoded.faceless_frames:
        say(without_face(source, encoded.faceless_frames, encoded.frames))
    show({
        "bpp_video": count.bpp_video, "bpp_shape": count.bpp_shape, "bpp_with_keyframe": count.bpp_with_keyframe,
        "pictures": count.pictures, "bits_per_picture": count.bits_per_picture, "lowres_psnr_db": encoded.lowres_psnr_db,
        "keyframe_bytes": count.keyframe_bytes, "seconds": count.seconds, "wire_kbps": count.wire_kbps, "frames": encoded.frames,
        "faceless_frames": encoded.faceless_frames, "bytes": out.stat().st_size,
    }, json)  # fmt: skip


@app.command()
def decode(source: Path, out: Path, device: Device = "auto", weights: Weights = None, json: Json = False) -> None:
    """Decode a .fw file to MP4."""
    from bench.progress import progress
    from receiver.decode_file import decode_file

    with progress(f"decoding {source.name}", None, "frames", json) as update:
        figures = decode_file(source, out, weights, device, update)
    show(figures, json)


@app.command()
def upsample(
    source: Annotated[Path, typer.Argument(help="Square video of a face, 8x8 to 64x64; a larger one is shrunk to 64x64.")],
    identity: Annotated[Path, typer.Option(
        help="Sharp picture of the same face, ideally 256x256 and cropped like the video; otherwise its middle square is used.",
    )],
    out: Annotated[Path, typer.Option(help="The MP4 to write, 256x256 at 25 FPS.")],
    scale: Annotated[int | None, typer.Option(help="32, 16, 8 or 4: refuse a video whose size gives another scale.")] = None,
    speech: Annotated[bool, typer.Option("--speech/--no-speech", help="Give the network the sound.")] = True,
    audio: Annotated[Path | None, typer.Option(help="File with the sound, instead of the video's own.")] = None,
    device: Device = "auto", weights: Weights = None, json: Json = False,
) -> None:  # fmt: skip
    """Enlarge a small face video to 256x256, with a sharp picture of the face."""
    from bench.progress import progress
    from codec.media.files import expected_frames
    from receiver.upsample import upsample_file

    if scale not in (None, 4, 8, 16, 32):
        raise typer.BadParameter(f"{scale} is not 32, 16, 8 or 4", param_hint="--scale")
    with progress(f"enlarging {source.name}", expected_frames(source), "frames", json) as update:
        figures = upsample_file(source, identity, out, scale, speech, audio, weights, device, update, say)
    show(figures, json)


@app.command()
def bench(
    clips: Annotated[list[Path], typer.Argument(help="Videos of a face; cropped to the face first, unless 256x256.")],
    out: Annotated[Path, typer.Option(help="Folder for bench.json, bench.csv, bench.html.")] = Path("bench-out"),
    codecs: Annotated[str | None, typer.Option(help="Some of h264,h265,av1,h266; by default all that ffmpeg has.")] = None,
    modes: Annotated[str | None, typer.Option(help="low-delay, best or both.")] = None,
    formats: Annotated[str | None, typer.Option(help="Some of 256px@25,256px@12.5,256px@5,128px@25 … 64px@5.")] = None,
    losses: Annotated[Path | None, typer.Option(help="Folder with the networks of LPIPS, DISTS, Fréchet distance, pose.")] = None,
    sync: Annotated[Path | None, typer.Option(help="Lip-sync expert (python -m models.lipsync.trainer).")] = None,
    every: Annotated[int, typer.Option(min=1, help="Judge every N-th frame.")] = 50,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Write bench.html.")] = True,
    wire: Annotated[bool, typer.Option(
        "--wire", help="Instead make a real two-way call with one or two clips, and count every byte.",
    )] = False,
    seconds: Annotated[float, typer.Option(min=10, help="Length of the call of --wire.")] = 60.0,
    weights: Weights = None, threads: Threads = 2, json: Json = False,
) -> None:  # fmt: skip
    """Compare cost and quality of facewire's picture with H.264, H.265, AV1 and H.266; or measure what a
    call costs."""
    if wire:
        from bench.calls.wire_call import run_wire, table

        given = {"codecs": codecs, "modes": modes, "formats": formats, "losses": losses, "sync": sync}
        if unused := [f"--{name}" for name, value in given.items() if value is not None]:
            raise typer.BadParameter(f"has no use for {', '.join(unused)}", param_hint="--wire")
        more = ["--threads", str(max(1, threads // 2)), *(["--weights", str(weights)] if weights else [])]
        call_found = run_wire(clips, out, seconds, say, more)
        print(jsonlib.dumps(call_found) if json else table(call_found))
        return
    from bench.picture.command import BenchRequest, run_bench
    from bench.picture.command import show as show_tables

    wanted = BenchRequest(clips, out, codecs, modes, formats, losses, sync, weights, every, threads, html)
    found = run_bench(wanted, say)
    if json:
        from bench.picture.results import to_json

        print(to_json(found), end="")
        return
    show_tables(found)
    say(f"written: {out}/bench.json, bench.csv" + (", bench.html" if html else ""))


@app.command()
def doctor(json: Json = False) -> None:
    """List what this machine has for a call, and what to do about what is missing."""
    from bench.doctor import examine
    from bench.progress import clock

    with clock("checking", quiet=json):
        found = examine()
    if json:
        print(jsonlib.dumps([f.__dict__ for f in found]))
    else:
        # Nothing is cut off: a command without its end can't be copied.
        table = Table(*(Column(overflow="fold") for _ in range(4)), show_header=False, box=None)
        for f in found:
            mark = "[green]yes[/]" if f.good else "[red]NO[/]" if f.needed else "[yellow]no[/]"
            table.add_row(mark, f.name, escape(f.found), escape(f.advice))
        print_table(table)
    raise typer.Exit(int(any(f.needed and not f.good for f in found)))


app.command()(call)
app.command()(send)
app.command()(receive)
app.command()(serve)
app.command()(token)
app.command()(export)
app.add_typer(train_app, name="train")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Set up what all subcommands share."""
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")


def known_errors() -> tuple[type[BaseException], ...]:
    """Errors whose text is a line for the user; anything else is a bug and shows its traceback."""
    from bench.calls.wire_call import WireCallError
    from bench.demo import DemoError
    from bench.reference_codecs.ffmpeg import FfmpegError
    from codec.errors import CodecError
    from codec.media.files import SourceError
    from codec.speech import SpeechUnavailableError
    from models.runtime.upsampler import WeightsMissingError
    from receiver.outputs.video_file import OutputError
    from signaling.config import IceConfigError
    from signaling.protocol import SignalingError
    from signaling.rooms.serve import ServeError
    from signaling.transport.channels import PeerError

    return (
        DemoError, CodecError, WeightsMissingError, OutputError, SourceError, SpeechUnavailableError, PeerError, IceConfigError,
        SignalingError, ServeError, FfmpegError, WireCallError, OSError, ValueError, ImportError,
    )  # fmt: skip


def main() -> None:
    """Entry point: one line on stderr and a non-zero exit for everything that is not a bug."""
    try:
        app()
    except SystemExit:
        raise  # the usual end: known_errors() would import everything
    except KeyboardInterrupt:
        sys.exit(130)
    except known_errors() as error:
        say(f"facewire: {reason(error)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
