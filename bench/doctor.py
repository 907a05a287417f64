"""``facewire doctor``: what this machine has for a call, and what to do about what is missing."""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.system_packages import command, missing
from codec.errors import reason
from codec.extras import install_command, install_gpu_commands


@dataclass(frozen=True)
class Finding:
    """One thing checked. ``needed``: a call doesn't work without it."""

    name: str
    good: bool
    found: str
    advice: str = ""
    needed: bool = False


def _weights() -> Finding:
    from models.runtime.upsampler import Upsampler, WeightsMissingError, weights_folder

    try:
        folder = weights_folder()
        upsampler = Upsampler(folder, "auto", 2)
        upsampler.warmup()
    except (WeightsMissingError, RuntimeError, ValueError) as error:
        return Finding("networks", False, str(error), "pip install facewire again", True)
    return Finding("networks", True, f"load and run on {upsampler.runtime}", needed=True)


def _providers() -> Finding:
    import onnxruntime

    have = onnxruntime.get_available_providers()
    cuda = "CUDAExecutionProvider" in have
    advice = "" if cuda else f"for an NVIDIA card: {install_gpu_commands()}"
    return Finding("CUDA", cuda, f"ONNX Runtime {onnxruntime.__version__}: {', '.join(have)}", advice)


def _openvino() -> Finding:
    advice = f"{install_command('openvino')}: less time a frame on the CPU"
    if find_spec("openvino") is None:
        return Finding("OpenVINO", False, "not installed", advice)
    try:
        import openvino
    except Exception as error:  # a library that does not load raises ImportError or OSError
        return Finding("OpenVINO", False, f"does not load: {reason(error)}", advice)
    return Finding("OpenVINO", True, openvino.__version__)


def _opus() -> Finding:
    from codec.opus_library import bundled
    from codec.speech import SpeechEncoder, SpeechUnavailableError

    try:
        SpeechEncoder()
    except SpeechUnavailableError as error:
        return Finding("Opus", False, "missing", str(error), True)
    return Finding(
        "Opus", True, f"encodes, with {'the libopus of PyAV' if bundled() else 'the libopus of the system'}", needed=True
    )


def _keyframes() -> Finding:
    from codec.keyframe import default_format

    form = default_format()
    return Finding("keyframe format", form == "av1", form, "" if form == "av1" else "a Pillow with AVIF makes them smaller")


def _camera() -> Finding:
    cameras = sorted(Path("/dev").glob("video*")) if sys.platform.startswith("linux") else []
    if not cameras and sys.platform.startswith("linux"):
        return Finding("camera", False, "none", "connect one, or send a file: --video FILE")
    from codec.media.files import SourceError
    from sender.capture.devices import Camera

    try:
        Camera(0).close()
    except SourceError as error:
        return Finding("camera", False, str(error), "close what uses it, or send a file: --video FILE")
    return Finding("camera", True, "cam0 opens")


def _sound() -> list[Finding]:
    try:
        import sounddevice

        devices = sounddevice.query_devices()
    except OSError:
        advice = "install PortAudio (Debian: apt-get install libportaudio2)"
        return [Finding(name, False, "PortAudio is missing", advice) for name in ("microphone", "speakers")]
    found = []
    for name, key in (("microphone", "max_input_channels"), ("speakers", "max_output_channels")):
        names = [d["name"] for d in devices if d[key] > 0]
        advice = (
            "" if names else f"connect {'one' if name == 'microphone' else 'some'}, or use files: --audio FILE, --out FILE.mp4"
        )
        found.append(Finding(name, bool(names), ", ".join(names[:3]) or "none", advice))
    return found


def _udp() -> Finding:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
            a.bind(("127.0.0.1", 0))
            b.settimeout(2)
            b.sendto(b"?", a.getsockname())
            a.settimeout(2)
            a.recvfrom(16)
    except OSError as error:
        return Finding("UDP", False, str(error), "a firewall on this machine drops UDP: allow it", True)
    return Finding("UDP", True, "works on this machine (each call tests the path to its peer)", needed=True)


def _packages() -> Finding:
    """What else could be installed; all of it is optional."""
    lacking = missing()
    if not lacking:
        return Finding("system packages", True, "all that calls, tests and benches can use")
    return Finding("system packages", False, "; ".join(f"{p.name} ({p.purpose})" for p in lacking), command(lacking))


EXTRAS = {"bench": ("torch", "imageio_ffmpeg", "matplotlib"), "train": ("torch", "onnx"), "redis": ("redis",)}
"""The modules that are checked for each extra that a call doesn't need."""


def _extras() -> list[Finding]:
    """The extras for benchmarks, training and servers that share rooms."""
    out = []
    for name, modules in EXTRAS.items():
        lacking = [module for module in modules if find_spec(module) is None]
        found = f"without {', '.join(lacking)}" if lacking else "installed"
        out.append(Finding(f"extra {name}", not lacking, found, install_command(name) if lacking else ""))
    return out


def examine() -> list[Finding]:
    """Check everything; never raises for something that is merely missing."""
    checks: list[Callable[[], Finding | list[Finding]]] = [
        _weights, _providers, _openvino, _opus, _keyframes, _camera, _sound, _udp, _extras, _packages,
    ]  # fmt: skip
    found: list[Finding] = []
    for check in checks:
        result = check()
        found += result if isinstance(result, list) else [result]
    return found
