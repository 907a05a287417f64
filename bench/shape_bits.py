"""What the face's points would cost: ``python -m bench.shape_bits CACHE`` (a prepared cache with
``train`` and ``dev``).

Displacements of the mesh's points from the keyframe's are told as principal components learnt on
the training people, rounded to a step. Bits are the order-0 entropy of each component on the dev
split, first frame as keyframe: at the ticks against the tick two back, which the other side has
acknowledged by then; at the frames between against the straight way from tick to tick.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.media.types import Float32
from models.data.cache import TICK, Cache
from models.data.shape_basis import Basis

Integers = npt.NDArray[np.int64]

CHOICES = ((8, 4), (8, 8), (12, 6), (16, 4), (16, 6), (16, 8), (24, 6))
"""(components, step in pixels)."""


@dataclass(frozen=True)
class Cost:
    """Bits of a tick and of a frame between two; mean error of the points in pixels, where only the
    ticks are told (``error_5``) and where every frame is (``error_25``)."""

    components: int
    step: float
    tick_bits: float
    between_bits: float
    error_5: float
    error_25: float

    @property
    def kbps_5(self) -> float:
        """kbit/s for the ticks alone, five a second."""
        return self.tick_bits * 5e-3

    @property
    def kbps_25(self) -> float:
        """kbit/s for every frame."""
        return (self.tick_bits * 5 + self.between_bits * 20) * 1e-3


def entropy(values: Integers) -> float:
    """Order-0 entropy in bits of a symbol."""
    _, counts = np.unique(values, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


def displacements(cache: Cache) -> Iterator[Float32]:
    """(frames, 108) of each clip whose every frame shows a face, from its first frame on."""
    assert cache.points is not None
    for clip in cache.clips:
        points = cache.points[clip.start : clip.start + clip.frames]
        if clip.frames > 3 * TICK and points.any((1, 2)).all():
            yield (points - points[0]).reshape(len(points), -1)


def cost(basis: Basis, clips: Sequence[Float32], components: int, step: float) -> Cost:
    """What ``components`` with a step of so many pixels cost on these clips."""
    rows, unit = basis.rows[:components], step / 128
    ticks, between, coarse, fine = list[Integers](), list[Integers](), list[float](), list[float]()
    for moved in clips:
        exact = moved @ rows.T / unit
        at = np.arange(TICK - 1, len(moved), TICK)
        told = np.rint(exact[at]).astype(np.int64)
        ticks.append(told[2:] - told[:-2])
        frames = np.arange(at[0], at[-1] + 1)
        way = np.stack([np.interp(frames, at, column) for column in told.T], 1)
        rest = np.rint(exact[frames] - way).astype(np.int64)
        between.append(rest[(frames - at[0]) % TICK > 0])
        for errors, values in ((coarse, way), (fine, way + rest)):
            errors.append(float(np.abs(values * unit @ rows - moved[frames]).mean()) * 128)
    tick, inner = (sum(entropy(column) for column in np.concatenate(parts).T) for parts in (ticks, between))
    return Cost(components, step, tick, inner, float(np.mean(coarse)), float(np.mean(fine)))


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench.shape_bits", description=__doc__)
    parser.add_argument("cache", type=Path)
    options = parser.parse_args(arguments)
    try:
        train, dev = (Cache(options.cache / split, in_memory=False) for split in ("train", "dev"))
    except OSError:
        print(f"{options.cache} holds no prepared cache", file=sys.stderr)
        return 1
    basis = Basis.of(train)
    if basis is None or dev.points is None:
        print(f"{options.cache} has no points.npy: facewire train makes it", file=sys.stderr)
        return 1
    clips = list(displacements(dev))
    write("| components | step, px | bits a tick | bits between | kbit/s at 5/s | at 25/s | error, px, 5/s | 25/s |\n")
    write("|---:|---:|---:|---:|---:|---:|---:|---:|\n")
    for components, step in CHOICES:
        c = cost(basis, clips, components, step)
        write(
            f"| {components} | {step:g} | {c.tick_bits:.1f} | {c.between_bits:.1f} | {c.kbps_5:.3f} | {c.kbps_25:.3f} "
            f"| {c.error_5:.2f} | {c.error_25:.2f} |\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
