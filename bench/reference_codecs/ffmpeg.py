"""Frames → a rival's bitstream → frames, and the size of each coded picture, with ffmpeg
(``imageio-ffmpeg`` includes one)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from bench.reference_codecs.codecs import CODECS, Codec, Format
from codec.extras import install_command
from codec.media.types import UInt8

SIDE = 256
LONGEST = 600.0
"""Seconds after which an encoder is stopped."""


class FfmpegError(RuntimeError):
    """There is no ffmpeg, or it failed; the message is one line."""


@dataclass(frozen=True)
class Coded:
    """A rival's stream: its pictures' sizes in bytes in coding order, the first being the keyframe,
    and the processor seconds that encoding took."""

    stream: bytes
    sizes: tuple[int, ...]
    encode_seconds: float


@cache
def find_ffmpeg() -> str:
    """Path of the program: imageio-ffmpeg's, which has all encoders, or the system's. Raises :class:`FfmpegError`."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise FfmpegError(f"no ffmpeg: {install_command('bench')}")
    return found


@cache
def encoders() -> frozenset[str]:
    """Names of the rivals whose encoder this ffmpeg has."""
    listed = subprocess.run([find_ffmpeg(), "-hide_banner", "-encoders"], capture_output=True, text=True, check=False).stdout
    return frozenset(name for name, codec in CODECS.items() if f" {codec.encoder} " in listed)


def _children_seconds() -> float:
    """Processor seconds of all ended child processes. Each sum is rounded once, so a later one is never less
    (a difference of four rounded ticks can be -9e-16 s)."""
    used = os.times()
    return used.children_user + used.children_system


def _run(arguments: Sequence[object], given: bytes = b"") -> tuple[bytes, float]:
    """(what ffmpeg wrote to its standard output, processor seconds it took)."""
    command = [find_ffmpeg(), "-nostdin" if not given else "-hide_banner", "-v", "error", *map(str, arguments)]
    before = _children_seconds()
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=False, timeout=LONGEST, env={**os.environ, "SVT_LOG": "1"}
        )
    except subprocess.TimeoutExpired as error:
        raise FfmpegError(f"ffmpeg took longer than {LONGEST:.0f} s") from error
    spent = _children_seconds() - before
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FfmpegError(f"ffmpeg failed: {lines[-1][:200] if lines else done.returncode}")
    return done.stdout, spent


def shrunk(frames: Sequence[UInt8], form: Format) -> list[UInt8]:
    """The pictures to be coded of frames (256, 256, 3): every n-th, averaged down."""
    return [
        f if form.side == SIDE else np.asarray(cv2.resize(f, (form.side, form.side), interpolation=cv2.INTER_AREA), np.uint8)
        for f in frames[:: form.every]
    ]


def shown(pictures: Sequence[UInt8], form: Format, count: int) -> list[UInt8]:
    """What a receiver shows at 25 FPS, ``count`` frames: each picture enlarged (Lanczos) and held
    until the next."""
    whole = [
        p if form.side == SIDE else np.asarray(cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4), np.uint8)
        for p in pictures
    ]
    return [whole[min(i // form.every, len(whole) - 1)] for i in range(count)]


def encode(frames: Sequence[UInt8], codec: Codec, mode: str, quality: int, form: Format) -> Coded:
    """Code frames (256, 256, 3) RGB in a format. Raises :class:`FfmpegError`, ``ValueError``."""
    if not frames or frames[0].shape != (SIDE, SIDE, 3):
        raise ValueError(f"frames of {SIDE}x{SIDE} are needed, not {frames[0].shape if frames else 'none'}")
    pictures = shrunk(frames, form)
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{form.side}x{form.side}", "-r", f"{form.fps:g}", "-i", "-"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stream"
        arguments = [*given, *codec.arguments(mode, quality), "-f", codec.muxer, "-y", out]
        _, spent = _run(arguments, np.stack(pictures).tobytes())
        listing, _ = _run(["-i", out, "-c", "copy", *(["-bsf:v", codec.packets] if codec.packets else []), "-f", "framecrc", "-"])
        stream = out.read_bytes()
    lines = [line for line in listing.decode().splitlines() if line and not line.startswith("#")]
    return Coded(stream, tuple(int(line.split(",")[4]) for line in lines), spent)


def decode(coded: Coded, codec: Codec, form: Format) -> tuple[list[UInt8], float]:
    """(the stream's pictures (S, S, 3) RGB, processor seconds). Raises :class:`FfmpegError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"stream.{codec.muxer}"
        path.write_bytes(coded.stream)
        raw, spent = _run(["-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    size = form.side * form.side * 3
    if not raw or len(raw) % size:
        raise FfmpegError(f"{codec.name}: {len(raw)} bytes are no whole {form.side}x{form.side} pictures")
    return list(np.frombuffer(raw, np.uint8).reshape(-1, form.side, form.side, 3)), spent
