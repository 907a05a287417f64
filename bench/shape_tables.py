"""Trains the shape's tables on the training people, and judges them: ``python -m bench.shape_tables
CACHE basis > codec/shape/basis_table.py``, then ``… CACHE probabilities >
codec/shape/probabilities.py``; ``… CACHE judge`` reports what the current ones cost on the dev people.

The basis: principal components of the points' movements between two frames of a clip, lips and lids
weighted. The probabilities: every clip's shapes are coded as a call codes them, the first frame
being the keyframe, with references one to three ticks back, and each context's bits are counted.
Run both again when any of that changes; it is a new bitstream then (docs/format.md, Versions).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import codec.shape.shape
import codec.shape.syntax
from bench.picture_tables import BACK, BACK_SHARE, Counter
from bench.progress import clock
from codec.media.types import Float32, Int32
from codec.pictures.header import PictureHeader
from codec.shape.basis import COEFFICIENTS, LIDS, LIPS, POINTS, SCALE, coefficients, movements, weights
from codec.shape.shape import ShapeDecoder, ShapeEncoder, frames_of
from codec.shape.syntax import CONTEXTS, STEPS, USUAL_STEP
from models.data.cache import Cache
from models.data.clip import TICK

PAIRS = 20000
"""Pairs of frames that the components are learnt from."""


def clips(folder: Path) -> Iterator[Float32]:
    """Movements (frames, 54, 2) from the first frame, in pixels, of each clip in which every frame shows a face.

    Raises ``ValueError`` for a cache without points.
    """
    cache = Cache(folder, in_memory=False)
    if cache.points is None:
        raise ValueError(f"{folder} has no points.npy: facewire train makes it")
    for clip in cache.clips:
        points = cache.points[clip.start : clip.start + clip.frames]
        if clip.frames > 3 * TICK and points.any((1, 2)).all():
            yield (points - points[0]) * np.float32(128)


def learn_basis(folder: Path, seed: int = 0) -> Int32:
    """The table (16, 108). The largest entry of each row is positive."""
    rng, moves = np.random.default_rng(seed), list(clips(folder))
    total, pairs = sum(map(len, moves)), []
    for moved in moves:
        a, b = rng.integers(0, len(moved), (2, max(1, PAIRS * len(moved) // total)))
        pairs.append((moved[a] - moved[b]).reshape(-1, 2 * POINTS) * weights())
    stacked = np.concatenate(pairs).astype(np.float64)
    _, vectors = np.linalg.eigh(stacked.T @ stacked)
    rows = vectors.T[::-1][:COEFFICIENTS] / weights()
    rows *= np.sign(rows[np.arange(COEFFICIENTS), np.abs(rows).argmax(1)])[:, None]
    return np.rint(rows * SCALE).astype(np.int32)


def ticks(moved: Float32) -> Iterator[Float32]:
    """A clip's coefficients, tick by tick: (5, 16)."""
    values = coefficients(moved)
    for end in range(TICK, len(values) + 1, TICK):
        yield values[end - TICK : end]


def count(folder: Path, seed: int = 0) -> Counter:
    """Code the shapes and count the bits of each context."""
    rng, counter = np.random.default_rng(seed), Counter(CONTEXTS)
    for part in (codec.shape.shape, codec.shape.syntax):
        part.ZERO = tuple(range(CONTEXTS))  # type: ignore[attr-defined]
    setattr(codec.shape.shape, "Encoder", lambda: counter)  # noqa: B010 - a stand-in, which types refuse
    for moved in clips(folder):
        encoder = ShapeEncoder()
        for number, frames in enumerate(ticks(moved)):
            back = int(rng.choice(BACK, p=BACK_SHARE))
            rare = rng.random()
            encoder.step = USUAL_STEP if rare > 0.01 else int(rng.integers(len(STEPS)))
            encoder.encode(number, PictureHeader(back if number >= back else 0), frames if rare < 0.95 else frames[-1:])
    return counter


def judge(folder: Path, step: int, every: bool, back: int = 2) -> str:
    """A line of figures for the dev people: bits a shape, kbit/s, error of the points in pixels, also at lips and lids."""
    sizes, errors = [], []
    for moved in clips(folder):
        encoder, decoder, before = ShapeEncoder(step), ShapeDecoder(), None
        for number, frames in enumerate(ticks(moved)):
            header = PictureHeader(back if number >= back else 0)
            data, made = encoder.encode(number, header, frames if every else frames[-1:])
            found = decoder.decode(number, header, data)
            assert np.array_equal(found.end, made.end)
            sizes.append(len(data))
            shown = movements(frames_of(found, before, TICK))
            errors.append(np.abs(shown - moved[number * TICK : (number + 1) * TICK]).mean((0, 2)))
            before = found
    size, error = float(np.mean(sizes)), np.mean(errors, 0)
    setting = f"step {STEPS[step]}, {'every frame' if every else 'last frames only'}"
    cost = f"{size * 8:.1f} bits a tick, {size * 0.04:.3f} kbit/s, {size * 8 / (TICK * 65536):.6f} BPP"
    parts = f"lips {error[list(LIPS)].mean():.2f}, lids {error[list(LIDS)].mean():.2f}"
    return f"{setting}: {cost}; error {error.mean():.2f} pixels, {parts}"


def basis_module(table: Int32) -> str:
    """The text of codec/shape/basis_table.py."""
    rows = ["    (\n" + _lines(row.tolist(), 8) + "    ),\n" for row in table]
    head = '"""The table of :mod:`codec.shape.basis`. Made by bench/shape_tables.py."""\n\n# fmt: off\n'
    return f"{head}TABLE = (\n{''.join(rows)})\n# fmt: on\n"


def probabilities_module(probabilities: list[int]) -> str:
    """The text of codec/shape/probabilities.py."""
    head = '"""Trained probabilities of a 0 by context, in units of 2^-15. Made by bench/shape_tables.py."""\n\n# fmt: off\n'
    return f"{head}ZERO: tuple[int, ...] = (\n{_lines(probabilities, 4)})\n"


def _lines(numbers: list[int], indent: int) -> str:
    return "".join(" " * indent + ", ".join(map(str, numbers[i : i + 18])) + ",\n" for i in range(0, len(numbers), 18))


def main(arguments: list[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line. Returns 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.shape_tables", description=__doc__)
    parser.add_argument("cache", type=Path, help="a prepared data set (models/data/cache.py)")
    parser.add_argument("what", choices=("basis", "probabilities", "judge"))
    options = parser.parse_args(arguments)
    try:
        if options.what == "judge":
            for step, every in ((1, True), (2, True), (3, True), (3, False), (5, True), (7, True)):
                write(judge(options.cache / "dev", step, every) + "\n")
            return 0
        with clock(options.what):
            if options.what == "basis":
                text = basis_module(learn_basis(options.cache / "train"))
            else:
                text = probabilities_module(count(options.cache / "train").probabilities())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
