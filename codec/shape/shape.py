"""The shape of one tick: displacements of the face's points from the keyframe's, at the tick's end and at the four frames before.

At the tick's end it is predicted from the shape that came with the picture's own reference, which the peer is known to hold;
so nothing drifts. Each frame between is coded as a residual to linear interpolation from the previous tick's decoded shape;
nothing is predicted from it. Encoder and decoder run the same code. Bytes in docs/format.md.
"""

from dataclasses import dataclass

import numpy as np

from codec.errors import SyntaxLimitError
from codec.media.types import Float32, Int32
from codec.pictures.header import PictureHeader
from codec.pictures.rangecoder import Coder, Decoder, Encoder
from codec.pictures.references import KEPT
from codec.shape.basis import COEFFICIENTS
from codec.shape.probabilities import ZERO
from codec.shape.syntax import (
    BETWEEN,
    FULL_AT,
    LARGEST,
    STEP_AT,
    STEPS,
    USUAL_STEP,
    Row,
    code_between,
    code_tick,
)  # fmt: skip
from codec.wirebytes import MAX_LENGTH

ROUND_UP_END = 0.55
"""Quantiser's rounding threshold at a tick's end, as a fraction of a step: above 0.5 small residuals become zero."""
ROUND_UP_BETWEEN = 0.75
"""The same for the frames between, higher because what jitters there is mostly the face mesh."""


@dataclass(frozen=True)
class Shape:
    """Integer coefficients relative to the keyframe in ``slot``: ``end`` (16,) at the tick's end, ``between`` (4, 16) the
    residuals of the four frames before to linear interpolation; (0, 16) where they are not sent."""

    slot: int
    end: Int32
    between: Int32


def interpolate(before: np.ndarray, end: np.ndarray, count: int = BETWEEN + 1) -> Int32:
    """Coefficients (count, 16) interpolated between two ticks' ends, the later in the last row; integers, halves rounded up."""
    share = np.arange(1, count + 1)[:, None]
    return ((before * (count - share) * 2 + end * share * 2 + count) // (2 * count)).astype(np.int32)


def _within(values: np.ndarray) -> Int32:
    return values.clip(-LARGEST, LARGEST).astype(np.int32)


def _rounded(value: float, step: int, near: float) -> int:
    size = int(abs(value) / step + 1 - near)
    return size if value > 0 else -size


def _walk(coder: Coder, step: int, end: Row, between: list[Row] | None) -> tuple[int, Row, list[Row]]:
    """Code (step, residuals at the end, residuals between). When decoding pass zeros, and None for ``between``: their values
    are not used."""
    number = USUAL_STEP
    if coder.code(ZERO[STEP_AT], int(step != number)):
        number = coder.code_equal(step, 3)
    rows: list[Row] = []
    full = coder.code(ZERO[FULL_AT], int(bool(between)))
    out = code_tick(coder, end)
    before = [0] * COEFFICIENTS
    for i in range(BETWEEN if full else 0):
        before = code_between(coder, between[i] if between else before, before)
        rows.append(before)
    return number, out, rows


class _Held:
    """Shapes that both sender and receiver hold, by the number of their bundle."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[int, Int32]] = {}

    def predicted(self, number: int, header: PictureHeader) -> Int32:
        """The prediction for the shape in bundle ``number``: zeros where there is none for this keyframe."""
        slot, end = self._ends.get((number - header.distance) & 0xFFFF, (-1, None)) if header.distance else (-1, None)
        return end if end is not None and slot == header.slot else np.zeros(COEFFICIENTS, np.int32)

    def forget(self, number: int) -> None:
        self._ends.pop(number, None)

    def remember(self, number: int, slot: int, end: Int32) -> None:
        self._ends[number] = slot, end
        for old in [n for n in self._ends if KEPT <= (number - n) & 0xFFFF < 0x10000 - KEPT]:
            del self._ends[old]


class ShapeEncoder:
    """Encodes the shapes of one stream."""

    def __init__(self, step: int = USUAL_STEP) -> None:
        """``step``: number of the quantiser step, an index of :data:`codec.shape.syntax.STEPS`; may be
        changed from one shape to the next. Raises :class:`SyntaxLimitError`."""
        if not 0 <= step < len(STEPS):
            raise SyntaxLimitError(f"shape step {step} is not known")
        self.step = step
        self._held = _Held()
        self._last: tuple[int, Int32] | None = None

    def skip(self) -> None:
        """A tick was sent without a shape: the next shape is not interpolated from an earlier one."""
        self._last = None

    def encode(self, number: int, header: PictureHeader, frames: Float32) -> tuple[bytes, Shape]:
        """Coefficients (1 or 5, 16) of a tick's frames, not rounded, the tick's end last → (bytes, the
        decoded shape). ``number`` and ``header`` are those of the picture in the same bundle.

        Raises :class:`SyntaxLimitError` for another number of frames or coefficients.
        """
        if frames.shape not in ((1, COEFFICIENTS), (BETWEEN + 1, COEFFICIENTS)) or not np.isfinite(frames).all():
            raise SyntaxLimitError(f"shape of {frames.shape} coefficients")
        frames, step = frames.clip(-LARGEST, LARGEST), STEPS[self.step]
        predicted = self._held.predicted(number, header)
        residual = [_rounded(float(v), step, ROUND_UP_END) for v in frames[-1] - predicted]
        end = _within(predicted + np.array(residual, np.int64) * step)
        before = self._last[1] if self._last and self._last[0] == header.slot else end
        line = interpolate(before, end)[:-1]
        between = [[_rounded(float(v), step, ROUND_UP_BETWEEN) for v in row] for row in frames[:-1] - line[: len(frames) - 1]]
        coder = Encoder()
        _walk(coder, self.step, residual, between)
        data = coder.finish()
        if len(data) > MAX_LENGTH:
            raise SyntaxLimitError(f"shape of {len(data)} bytes is over {MAX_LENGTH}")
        self._held.remember(number, header.slot, end)
        self._last = header.slot, end
        return data, Shape(header.slot, end, _within(np.array(between, np.int64).reshape(-1, COEFFICIENTS) * step))


class ShapeDecoder:
    """Decodes the shapes of one stream."""

    def __init__(self) -> None:
        self._held = _Held()

    def forget(self, number: int) -> None:
        """Picture ``number`` has no shape: drop the shape of an earlier picture with this number."""
        self._held.forget(number)

    def decode(self, number: int, header: PictureHeader, data: bytes) -> Shape:
        """``number`` and ``header`` are those of the picture in the same bundle, which was decoded.
        Raises :class:`SyntaxLimitError`; the stream can continue after one."""
        if len(data) > MAX_LENGTH:
            raise SyntaxLimitError(f"shape of {len(data)} bytes is over {MAX_LENGTH}")
        index, residual, rows = _walk(Decoder(data), 0, [0] * COEFFICIENTS, None)
        changes, between = (np.array(r, np.int64).reshape(-1, COEFFICIENTS) * STEPS[index] for r in (residual, rows))
        end = _within(self._held.predicted(number, header) + changes[0])
        self._held.remember(number, header.slot, end)
        return Shape(header.slot, end, _within(between))


def frames_of(shape: Shape, before: Shape | None, count: int) -> Int32:
    """Coefficients (count, 16) of a tick's frames, its end last. ``before``: the shape at the end of the
    tick before, None where it is not known; the face is then held where it is at the end."""
    start = before.end if before is not None and before.slot == shape.slot else shape.end
    frames = interpolate(start, shape.end, count)
    if count == BETWEEN + 1 and len(shape.between):
        frames[:-1] += shape.between
    return frames
