"""Mutation fuzzing: mutated inputs raise only the codec's own errors, allocate little memory, and never hang.

The random numbers are seeded, so that a failure can be reproduced. FACEWIRE_FUZZ sets the number of
inputs for a fast parser (default 2000: about 20 seconds in all).
"""

import io
import os
import random
import resource
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
import pytest

from codec.bundle import Bundle, Face, Report
from codec.bundle_pair import join_bundles, split_bundles
from codec.container import FileWriter, read_file
from codec.control import (
    MAX_CHUNK,
    Bye,
    Hello,
    KeyframeAssembler,
    KeyframeChunk,
    KeyframeNotice,
    Verb,
    parse_message,
)
from codec.errors import CodecError
from codec.keyframe import encode_keyframe, parse_keyframe
from codec.pictures.header import PictureHeader
from codec.pictures.picture import PictureDecoder, PictureEncoder, encode_picture
from codec.shape.basis import COEFFICIENTS, POINTS, movements
from codec.shape.shape import ShapeDecoder, ShapeEncoder, frames_of
from codec.shape.syntax import BETWEEN, LARGEST

pytestmark = pytest.mark.filterwarnings("error")

ROUNDS = int(os.environ.get("FACEWIRE_FUZZ", "2000"))
MEMORY = 16 << 20
HANG_S = 20
GREY = np.full((8, 8, 3), 128, np.uint8)

Target = tuple[list[bytes], Callable[[bytes], object]]


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Apply one to six mutations: flip a bit, set a byte, truncate, delete, insert or repeat bytes, or
    splice with another valid input."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.choice([0, 1, 127, 128, 251, 252, 255, rng.randrange(256)])
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.randint(1, 8)]
        elif kind == 4:
            out[at:at] = rng.randbytes(rng.choice([1, 2, 4, 300]))
        elif kind == 5:
            out[at:at] = out[at : at + rng.randint(1, 64)] * rng.randint(1, 40)
        else:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1) :]
    # Length fields at the front get more mutations than chance would give them.
    if out and rng.random() < 0.2:
        out[rng.randrange(min(len(out), 24))] = rng.randrange(256)
    return bytes(out)


def bundles() -> Target:
    valid = [
        Bundle(1, 2).pack(),
        Bundle(3, 4, 1, bytes(50), (bytes(60),) * 2, Report(5, 6), (bytes(30),) * 2, Face.MANY, True).pack(),
        Bundle(9, 9, 0, bytes(range(40)), (bytes(60),), shape=bytes(range(12))).pack(),
        Bundle(65535, 65535, 2, bytes(range(256)), (bytes(300), b""), None, (), Face.NONE).pack(),
    ]
    return valid, Bundle.parse


def pairs() -> Target:
    valid = bundles()[0]
    joined = [join_bundles(first, second) for first, second in zip(valid, valid[1:] + valid[:1], strict=True)]
    return joined, lambda data: [Bundle.parse(part) for part in split_bundles(data)]


def pictures() -> Target:
    rng = np.random.default_rng(0)
    encoder = PictureEncoder()
    encoder.set_keyframe(0, GREY)
    valid = []
    for number in range(6):
        valid.append(encoder.encode(number, (GREY + rng.integers(-20, 20, GREY.shape)).astype(np.uint8))[0])
        encoder.acknowledge(number)
    noise = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    valid.append(encode_picture(noise, GREY, GREY, PictureHeader(luma=0, chroma=0), PictureHeader(), 1)[0])
    decoder = PictureDecoder()
    for slot, side in enumerate((8, 8, 12, 16)):
        decoder.set_keyframe(slot, np.full((side, side, 3), 128, np.uint8))
    number = 0

    def decode(data: bytes) -> None:
        nonlocal number
        number = (number + 1) & 0xFFFF
        picture, header = decoder.decode(number, data)
        assert picture.dtype == np.uint8
        assert picture.shape == (header.side, header.side, 3)
        assert header.slot in decoder.references.keyframes

    return valid, decode


def shapes() -> Target:
    rng, encoder, valid = np.random.default_rng(3), ShapeEncoder(), []
    for number in range(8):
        frames = rng.normal(0, 30 * 3 ** (number % 4), (5, COEFFICIENTS)).astype(np.float32)
        valid.append(encoder.encode(number, PictureHeader(int(number > 0)), frames if number % 3 else frames[-1:])[0])
    decoder, number = ShapeDecoder(), 0

    def decode(data: bytes) -> None:
        nonlocal number
        number = (number + 1) & 0xFFFF
        found = decoder.decode(number, PictureHeader(1), data)
        assert np.abs(found.end).max() <= LARGEST
        assert len(found.between) in (0, BETWEEN)
        assert np.isfinite(movements(frames_of(found, None, 5))).all()

    return valid, decode


def keyframes() -> Target:
    rng = np.random.default_rng(1)
    soft = np.kron(rng.integers(0, 256, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    points = rng.uniform(0, 256, (POINTS, 2)).astype(np.float32)
    valid = [encode_keyframe(soft, 20, form, points).data for form in ("avif", "webp", "av1")]
    return valid, parse_keyframe


def files() -> Target:
    valid = []
    for keyframe in keyframes()[0]:
        file = io.BytesIO()
        writer = FileWriter(file)
        writer.keyframe(0, parse_keyframe(keyframe))
        for data in bundles()[0]:
            writer.bundle(Bundle.parse(data))
        writer.end(25)
        valid.append(file.getvalue())
    return valid, lambda data: list(read_file(io.BytesIO(data)))


def messages() -> Target:
    keyframe = parse_keyframe(keyframes()[0][1])
    chunks = [KeyframeChunk(0, keyframe.digest, len(keyframe.data), at, keyframe.data[at : at + 200]) for at in (0, 200, 400)]
    valid = [m.pack() for m in (Hello(), *chunks, KeyframeNotice(Verb.HAVE, 1, bytes(8)), Bye())]
    valid.append(KeyframeChunk(2, keyframe.digest, len(keyframe.data), 0, keyframe.data[:MAX_CHUNK]).pack())
    assembler = KeyframeAssembler()

    def take(data: bytes) -> None:
        message = parse_message(data)
        if isinstance(message, KeyframeChunk):
            assembler.add(message)

    return valid, take


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Turn a hang into a failure with a traceback, on systems that have SIGALRM."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {seconds} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def resident() -> int:
    """The peak memory of this process in bytes. Unlike tracemalloc, it includes what image libraries
    allocate."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize(
    ("make", "share"), [(bundles, 1), (pairs, 2), (pictures, 5), (shapes, 2), (keyframes, 5), (files, 5), (messages, 1)]
)
def test_mutated_inputs_raise_only_codec_errors(make: Callable[[], Target], share: int) -> None:
    valid, target = make()
    for data in valid:
        target(data)
    rng = random.Random(make.__name__)
    slowest, passed, resident_before = 0.0, 0, resident()
    tracemalloc.start()
    try:
        for round_ in range(max(1, ROUNDS // share)):
            data = mutate(rng.choice(valid), valid, rng)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            start = time.thread_time()
            try:
                with limit(HANG_S):
                    target(data)
                passed += 1
            except CodecError:
                pass
            except Exception as error:
                raise AssertionError(f"round {round_}: {type(error).__name__} from {data.hex()}") from error
            slowest = max(slowest, time.thread_time() - start)
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak < MEMORY, f"round {round_}: {peak} bytes for {data.hex()}"
    finally:
        tracemalloc.stop()
    grown = resident() - resident_before
    print(f"{make.__name__}: {passed} still valid, slowest {slowest * 1000:.1f} ms, memory {grown >> 20} MiB")
    # Twice the limit plus 1 MiB a core: the allocator's slack and the image decoders' threads are included.
    assert grown < 2 * MEMORY + (os.cpu_count() or 1) * (1 << 20)
