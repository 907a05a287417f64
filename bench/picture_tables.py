"""Trains the picture's probabilities on the training people: ``python -m bench.picture_tables CACHE >
codec/pictures/probabilities.py``.

Every third clip's pictures at 5 FPS are coded as a call codes them, with references one to three
pictures back, at quantiser steps from 1 to 8, and each context's bits are counted. Run it again
when contexts or weights change; it is a new bitstream then (docs/format.md, Versions). With
``--judge`` it instead reports what the current tables cost on the dev people.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import codec.pictures.contexts
import codec.pictures.header
import codec.pictures.planes
from bench.progress import clock
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.contexts import CONTEXTS
from codec.pictures.header import STEPS, PictureHeader, code_distance, code_rest
from codec.pictures.picture import PictureDecoder, PictureEncoder
from codec.pictures.planes import MODES, Int, Shared, expected_bits, walk
from models.data.cache import Cache
from models.data.clip import TICK

QUANTISERS = (0, 1, 2, 3, 4, 5, 7)
BACK = (1, 2, 3)
BACK_SHARE = (0.4, 0.4, 0.2)
CHANGED = 0.015
"""Share of the pictures that are coded with other quantisers than their reference."""
LEAST = 16
MOST = 32752


class Counter:
    """Used in place of the coder, with each context's probability replaced by the context's number: counts zeros and ones."""

    def __init__(self, contexts: int = CONTEXTS) -> None:
        self.seen = np.zeros((contexts, 2))

    def code(self, zero: int, bit: int) -> int:
        self.seen[zero, bit] += 1
        return bit

    def code_equal(self, value: int, count: int) -> int:
        return value

    def finish(self) -> bytes:
        """Nothing is written."""
        return b""

    def probabilities(self) -> list[int]:
        """Probabilities of a 0, in units of 2^-15; one half for contexts that never occurred."""
        share = (self.seen[:, 0] + 0.4) / (self.seen.sum(1) + 0.8)
        return [int(v) for v in np.clip(np.rint(share * 32768), LEAST, MOST)]


def streams(folder: Path, every: int) -> Iterator[tuple[Int, Int]]:
    """(the first frame's picture, all pictures at 5 FPS) of every ``every``-th clip: planes (3, 8,
    8), (N, 3, 8, 8)."""
    cache = Cache(folder, in_memory=False)
    for clip in cache.clips[::every]:
        small = np.asarray(cache.small[clip.start : clip.start + clip.frames]).astype(np.int64).transpose(0, 3, 1, 2)
        if len(small) >= 3 * TICK:
            yield small[0], small[TICK - 1 :: TICK]


def count(folder: Path, every: int = 3, seed: int = 0) -> Counter:
    """Code the pictures and count the bits of each context."""
    rng, counter = np.random.default_rng(seed), Counter()
    for module in (codec.pictures.contexts, codec.pictures.planes, codec.pictures.header):
        module.ZERO = tuple(range(CONTEXTS))  # type: ignore[attr-defined]
    for own, pictures in streams(folder, every):
        number = int(rng.choice(QUANTISERS))
        usual = PictureHeader(luma=number, chroma=number)
        decoded: list[Int] = []
        headers: list[PictureHeader] = []
        for i, picture in enumerate(pictures):
            back = int(rng.choice(BACK, p=BACK_SHARE))
            distance = back if i >= back else 0
            reference, before = (decoded[i - back], headers[i - back]) if distance else (own, PictureHeader())
            header = replace(usual, distance=distance)
            if rng.random() < CHANGED:
                header = replace(header, luma=min(header.luma + 2, 15), chroma=min(header.chroma + 2, 15))
            known = Shared(reference, own, header.steps)
            mode = min(range(MODES), key=lambda m: expected_bits(picture, known, m))
            code_distance(counter, distance)
            code_rest(counter, header, before)
            decoded.append(walk(counter, picture, known, mode))
            headers.append(header)
    return counter


def psnr(error: list[float]) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean(error)), 1e-3)))


def judge(folder: Path, number: int, delay: int) -> str:
    """A line of figures for the dev people: bytes a picture, bits per pixel, PSNR in RGB, and
    milliseconds to encode and decode one."""
    sizes, errors, spent = [], [], 0.0
    for own, pictures in streams(folder, 1):
        encoder, decoder = PictureEncoder(number, number), PictureDecoder()
        for side in (encoder, decoder):
            side.set_keyframe(0, own.transpose(1, 2, 0).astype(np.uint8))
        for i, planes in enumerate(pictures):
            picture = planes.transpose(1, 2, 0).astype(np.uint8)
            if i >= delay:
                encoder.acknowledge(i - delay)
            began = time.perf_counter()
            data, made = encoder.encode(i, picture)
            found, _ = decoder.decode(i, data)
            spent += time.perf_counter() - began
            assert np.array_equal(made, found)
            sizes.append(len(data))
            errors.append(float(((ycbcr_to_rgb(found).astype(float) - ycbcr_to_rgb(picture)) ** 2).mean()))
    size = float(np.mean(sizes))
    good = f"{psnr(errors):.2f} dB" if any(errors) else "lossless"
    return (
        f"step {STEPS[number]}, acknowledged {delay} back: {size:.2f} bytes, {size * 8 * 5 / (25 * 65536):.5f} BPP, "
        f"{good}, {spent / len(sizes) * 1e3:.2f} ms; {len(sizes)} pictures, smallest {min(sizes)} bytes"
    )


def module(probabilities: list[int]) -> str:
    """The text of codec/pictures/probabilities.py."""
    rows = [", ".join(f"{p}" for p in probabilities[i : i + 16]) for i in range(0, len(probabilities), 16)]
    body = "".join(f"    {row},\n" for row in rows)
    head = '"""Trained probabilities of a 0 by context, in units of 2^-15. Made by bench/picture_tables.py."""\n\n# fmt: off\n'
    return f"{head}ZERO: tuple[int, ...] = (\n{body})\n"


def main(arguments: list[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.picture_tables", description=__doc__)
    parser.add_argument("cache", type=Path, help="a prepared data set (models/data/cache.py)")
    parser.add_argument("--judge", action="store_true", help="report what the current tables cost on the dev people")
    options = parser.parse_args(arguments)
    if options.judge:
        for number, delay in ((0, 1), (1, 1), (3, 1), (3, 2), (5, 1)):
            with clock(f"quantiser {number}, delay {delay}"):
                row = judge(options.cache / "dev", number, delay)
            write(row + "\n")
        return 0
    with clock("counting"):
        text = module(count(options.cache / "train").probabilities())
    write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
