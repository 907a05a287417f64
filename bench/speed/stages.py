"""Where each millisecond of a call goes: ``python -m bench.speed.stages [--ticks N] [--device D]``.

One side's work on one thread, from the camera's picture to the page's encoder, on the shipped clip:
median milliseconds of each step, and its share of every second of a call with 5 pictures and 25 frames.
Transport and waiting are not included (:mod:`bench.calls.delay` measures the whole).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice

import numpy as np
from aiortc.codecs.vpx import Vp8Encoder

from bench.demo import shipped_clip
from bench.progress import clock
from codec.bundle import Bundle
from codec.errors import reason
from codec.media.scaler import Scaler
from codec.media.timing import RATE
from codec.pictures.picture import PictureDecoder, PictureEncoder
from codec.pictures.sampling import sample
from codec.speech import SpeechDecoder, SpeechEncoder
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.face.tracker import Tracker
from models.runtime.mel import log_mel
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.consistency import ConsistencyMeter
from receiver.tick_decoder import KEEP, TickDecoder, to_network
from sender.capture.sources import Tick, file_ticks
from sender.shapes import OutgoingShapes
from sender.stream import SenderStream, StreamConfig

A_SECOND = {"tick": 5, "frame": 25, "keyframe": 0}
"""How many times a second each kind of step is done."""


class Clock:
    """Times of named steps."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str, str], list[float]] = {}

    @contextmanager
    def step(self, side: str, kind: str, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.times.setdefault((side, kind, name), []).append(time.perf_counter() - began)


def _send(ticks: Sequence[Tick], clock: Clock) -> None:
    tracker, speech = Tracker(BlazeFace()), SpeechEncoder()
    pictures = PictureEncoder()
    stream = SenderStream(StreamConfig(keyframe="first"))
    stream.bundle(ticks[0])
    assert stream.keyframes.newest is not None
    pictures.set_keyframe(0, stream.keyframes.newest.thumbnail)
    shapes = OutgoingShapes(BlazeFace(), FaceMesh())
    for number, tick in enumerate(ticks):
        frame = tick.frames[-1]
        assert frame is not None
        with clock.step("sender", "tick", "find and follow the face"):
            crop, _ = tracker.update(frame)
        with clock.step("sender", "tick", "cut the crop, average to 8×8"):
            small = sample(crop.cut(frame))
        with clock.step("sender", "tick", "fit the face mesh to five pictures"):
            shapes.see([(f, crop) for f in tick.frames if f is not None])
        with clock.step("sender", "tick", "code the picture"):
            data, _ = pictures.encode(number, small)
        with clock.step("sender", "tick", "code the shape"):
            shapes.encode(number, pictures.header, stream.keyframes.newest, True)
        with clock.step("sender", "tick", "code the speech"):
            packets = speech.encode(tick.sound)
        with clock.step("sender", "tick", "pack the bundle"):
            Bundle(number, number * 10, 0, data, packets).pack()
        pictures.acknowledge(number)


def _receive(ticks: Sequence[Tick], clock: Clock, device: str) -> None:
    stream, upsampler, interpolator = SenderStream(StreamConfig(keyframe="first")), Upsampler(None, device, 1), Interpolator()
    decoder, pictures, speech, consistency = TickDecoder(interpolator), PictureDecoder(), SpeechDecoder(), ConsistencyMeter()
    scaler, encoder = Scaler("yuv420p"), Vp8Encoder()
    upsampler.warmup()
    kept = np.zeros(KEEP, np.float32)
    for at, tick in enumerate(ticks):
        bundle = stream.bundle(tick)
        assert bundle is not None
        assert bundle.picture is not None
        assert stream.keyframes.newest is not None
        data = bundle.pack()
        if not upsampler.ready:
            decoder.set_keyframe(0, stream.keyframes.newest.thumbnail, stream.keyframes.newest.points)
            pictures.set_keyframe(0, stream.keyframes.newest.thumbnail)
            with clock.step("receiver", "keyframe", "take the keyframe in"):
                upsampler.set_identity(stream.keyframes.newest.rgb)
        with clock.step("receiver", "tick", "read the bundle"):
            bundle = Bundle.parse(data)
        with clock.step("receiver", "tick", "decode the picture"):
            small, _ = pictures.decode(bundle.number, bundle.picture or b"")
        with clock.step("receiver", "tick", "decode the speech"):
            sound = speech.decode(bundle.sound, len(tick.sound))
        with clock.step("receiver", "tick", "mel of the speech"):
            log_mel(np.concatenate([kept, sound])[-KEEP:])
        with clock.step("receiver", "tick", "interpolate to 25 FPS"):
            interpolator.tick(np.stack([to_network(small)[0]] * 5))
        decoder.arrived(bundle)
        for frame in decoder.tick(at * 200, 200, bundle).frames:
            with clock.step("receiver", "frame", "draw"):
                rgb = upsampler.step(*frame.inputs)
            with clock.step("receiver", "frame", "consistency"):
                consistency.update(rgb, frame.pictures[2])
            with clock.step("receiver", "frame", "encode for the page (VP8)"):
                picture = scaler.picture(rgb)
                picture.pts, picture.time_base = frame.number * 3600, Fraction(1, 90_000)
                encoder.encode(picture)


def measure(count: int, device: str) -> list[tuple[str, str, str, float]]:
    """(side, how often, step, median milliseconds). Raises what :class:`models.runtime.upsampler.Upsampler` raises."""
    clock, ticks = Clock(), list(islice(file_ticks(shipped_clip()), count))
    assert all(len(t.sound) == RATE // 5 for t in ticks)
    _send(ticks, clock)
    _receive(ticks, clock, device)
    return [(*key, float(np.median(times)) * 1e3) for key, times in clock.times.items()]


def table(rows: Sequence[tuple[str, str, str, float]]) -> str:
    """Markdown, with the sum of each side at the end."""
    lines = ["| side | step | ms | per | ms per second of call |", "|---|---|---:|---|---:|"]
    lines += [f"| {side} | {name} | {ms:.2f} | {kind} | {ms * A_SECOND[kind]:.0f} |" for side, kind, name, ms in rows]
    for side in ("sender", "receiver"):
        total = sum(ms * A_SECOND[kind] for s, kind, _, ms in rows if s == side)
        lines.append(f"| {side} | **all** | | | **{total:.0f}** |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed.stages", description=__doc__)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    if options.ticks < 1:
        parser.error(f"{options.ticks} ticks: at least 1")
    try:
        with clock("measuring"):
            found = measure(options.ticks, options.device)
        write(table(found) + "\n")
    except (ValueError, RuntimeError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
