"""Points of the benchmark: one clip through one setting of one codec, with its cost and the resulting frames."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.picture.variants import Renderer, Sent, frame_inputs
from bench.reference_codecs.codecs import CODECS, MODES, Codec, Format
from bench.reference_codecs.ffmpeg import decode, encode, shown
from codec.accounting import PIXELS
from codec.bundle import TICK_MODES
from codec.media.timing import FRAME_RATE
from codec.media.types import UInt8
from models.runtime.upsampler import Interpolator
from sender.encode_file import encode_file
from sender.keyframes.outgoing import KeyframeMode
from sender.stream import StreamConfig

OURS = "facewire"
CALL_SECONDS = 60.0
"""Length of the call over which a keyframe's cost is spread in ``bpp_60s``."""


@dataclass(frozen=True)
class Setting:
    """A codec, its mode ("" for ours) and its setting, as named in the tables."""

    codec: str
    mode: str
    label: str


@dataclass(frozen=True)
class Cost:
    """Bytes of the first keyframe and of all the rest, for ``frames`` frames at 25 FPS; processor
    milliseconds a frame."""

    keyframe: int
    rest: int
    frames: int
    encode_ms: float
    decode_ms: float

    def figures(self) -> dict[str, float]:
        """Bits per pixel of 256×256 at 25 FPS, whatever is really coded (``bpp``: all; ``bpp_video``:
        without keyframe; ``bpp_60s``: of a 60 s call at this rate), ``kbps_60s``, and milliseconds."""
        pixels, seconds = self.frames * PIXELS, self.frames / FRAME_RATE
        spread = (self.keyframe + self.rest * CALL_SECONDS / seconds) * 8
        return {
            "bpp": (self.keyframe + self.rest) * 8 / pixels, "bpp_video": self.rest * 8 / pixels,
            "bpp_60s": spread / (CALL_SECONDS * FRAME_RATE * PIXELS), "kbps_60s": spread / CALL_SECONDS / 1000,
            "encode_ms": self.encode_ms, "decode_ms": self.decode_ms,
        }  # fmt: skip


Drawn = tuple[Setting, Cost, list[UInt8]]
"""A point: setting, cost, and the requested frames, (256, 256, 3) each."""

OurSetting = tuple[int, int, KeyframeMode]

OUR_SETTINGS: tuple[OurSetting, ...] = (
    *((tick_mode, 8, "first") for tick_mode in range(len(TICK_MODES))), (0, 16, "first"), (0, 32, "first"), (0, 8, "auto"),
)  # fmt: skip
"""(tick_mode, side of the pictures, keyframe). Every tick mode at 8×8, and larger pictures at the slowest one, with the first
picture as keyframe, so that nothing depends on later frames; and the slowest one as ``encode`` does it, which knows the whole
file."""


def our_setting(tick_mode: int, size: int, keyframe: KeyframeMode) -> Setting:
    return Setting(OURS, "best" if keyframe == "auto" else "", f"{size}x{size}@{1000 / TICK_MODES[tick_mode]:.3g}")


def our_points(
    clip: Path, truth: Sequence[UInt8], numbers: Sequence[int], renderer: Renderer, interpolator: Interpolator
) -> Iterator[Drawn]:
    """Our points at :data:`OUR_SETTINGS`. Raises ``SourceError``."""
    for tick_mode, size, keyframe in OUR_SETTINGS:
        with TemporaryDirectory() as folder:
            stored, began = Path(folder) / "clip.fw", time.process_time()
            count = encode_file(clip, stored, StreamConfig(crop="none", keyframe=keyframe, tick_mode=tick_mode, size=size)).count
            encoding = time.process_time() - began
            began = time.process_time()
            keyframes, inputs, _ = frame_inputs(stored, interpolator)
            reading = time.process_time() - began
        sent = Sent(list(truth), keyframes, inputs, {})
        began = time.process_time()
        frames = renderer.render("ours", sent, [min(n, len(inputs) - 1) for n in numbers])
        drawing = (time.process_time() - began) / max(1, len(numbers))
        first = len(keyframes[0].data)
        rest = count.video_bytes + count.keyframe_bytes - first
        cost = Cost(first, rest, len(truth), encoding / len(truth) * 1e3, (reading / len(truth) + drawing) * 1e3)
        yield our_setting(tick_mode, size, keyframe), cost, frames


def rival_settings(
    codecs: Sequence[str], modes: Sequence[str], formats: Sequence[Format]
) -> list[tuple[Codec, str, Format, int]]:
    """The rivals' settings: all their qualities at full size and frame rate, only the lower half of
    them at reduced ones.

    Raises ``ValueError`` for an unknown codec or mode.
    """
    out = []
    for name in codecs:
        if name not in CODECS:
            raise ValueError(f"codec {name!r} is none of {', '.join(CODECS)}")
        for mode in modes:
            if mode not in MODES:
                raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
            for form in formats:
                qualities = CODECS[name].qualities
                whole = form.side == 256 and form.every == 1
                out += [(CODECS[name], mode, form, q) for q in (qualities if whole else qualities[len(qualities) // 2 :])]
    return out


def rival_point(truth: Sequence[UInt8], numbers: Sequence[int], codec: Codec, mode: str, form: Format, quality: int) -> Drawn:
    """A rival's point. Raises :class:`bench.reference_codecs.ffmpeg.FfmpegError`."""
    coded = encode(truth, codec, mode, quality, form)
    pictures, decoding = decode(coded, codec, form)
    frames = shown(pictures, form, len(truth))
    first, *rest = coded.sizes
    each = 1e3 / len(truth)
    cost = Cost(first, sum(rest), len(truth), coded.encode_seconds * each, decoding * each)
    return Setting(codec.name, mode, f"{form} q{quality}"), cost, [frames[n] for n in numbers]
