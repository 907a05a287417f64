"""A second decoder of .fw pictures, written only from docs/format.md and with only the standard
library: python decode.py FILE.fw.

It shares no code with the codec on purpose, so that docs/format.md, this file and the codec check
each other. It does not handle hostile input. For each picture it prints number, slot and the SHA-256
of the picture's bytes; for its shape the coefficients and the SHA-256 of the positions of the points.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32]
SIDES = [8, 12, 16, 32]
CHANGE = [(9, 12, -3, -1, 2), (6, 14, 2, 3, 4, -3), (7, 9, 2, 3, 5, 3, -21)]
SIZE = [(11, 17, 4, 6, 4, 5), (5, 11, 3, 3, 3, 5, 2), (2, 5, 1, 1, 2, 3, 2, 10)]

Header = tuple[int, int, int, int, int]
"""slot, luma, chroma, size, rate"""
Picture = tuple[int, bytes]
"""side, bytes (Y, Cb, Cr of each pixel in raster order)"""


Shape = tuple[int, list[int], list[list[int]]]
"""slot, coefficients at the tick's end, differences of the four frames before it from linear interpolation"""


def table(page: Path, name: str = "table") -> list[int]:
    """The numbers of one of the tables in docs/format.md."""
    text = page.read_text().split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    rows = [line for line in text.splitlines() if line.strip() and ":" not in line]
    return [int(number) for number in re.findall(r"-?\d+", " ".join(rows))]


class RangeDecoder:
    """The section "Range coder" of docs/format.md."""

    def __init__(self, data: bytes, probabilities: list[int]) -> None:
        self.rest = iter(data + bytes(10_000))
        self.span, self.value, self.zero = 0xFFFFFFFF, 0, probabilities
        for _ in range(4):
            self.value = self.value << 8 | next(self.rest)

    def _split(self, bound: int, rest: int) -> int:
        bit = int(self.value >= bound)
        if bit:
            self.value, self.span = self.value - bound, rest
        else:
            self.span = bound
        while self.span < 1 << 24:
            self.value, self.span = (self.value << 8 | next(self.rest)) & 0xFFFFFFFF, self.span << 8
        return bit

    def bit(self, context: int) -> int:
        bound = (self.span >> 15) * self.zero[context]
        return self._split(bound, self.span - bound)

    def equal(self, count: int = 1) -> int:
        number = 0
        for _ in range(count):
            number = number * 2 + self._split(self.span >> 1, self.span >> 1)
        return number


def header(coder: RangeDecoder, before: dict[int, Header]) -> tuple[int, Header]:
    """(distance, the other fields). ``before`` maps each distance to the header of the picture there."""
    distance = 0
    while distance < 15 and coder.bit(577 + distance):
        distance += 1
    slot, luma, chroma, size, rate = before[distance] if distance else (0, 3, 3, 0, 0)
    if coder.bit(592):
        if coder.equal():
            slot, luma, chroma, size, rate = (coder.equal(n) for n in (4, 4, 4, 2, 3))
        else:
            more = coder.equal(4) - 8
            luma, chroma = luma + more, chroma + more
    return distance, (slot, luma, chroma, size, rate)


def size_of(coder: RangeDecoder, at: int, contexts: int, escape: int) -> int:
    """A size of 1 or more, whose contexts start at ``at``; from ``escape`` on it is coded in Exp-Golomb."""
    size = 1
    while size < escape and coder.bit(at + min(size, contexts) - 1):
        size += 1
    if size == escape:
        prefix = 0
        while coder.equal():
            prefix += 1
        size += 2**prefix - 1 + coder.equal(prefix)
    return size


def planes(coder: RangeDecoder, side: int, steps: list[int], reference: Picture, own: Picture) -> Picture:
    """The section "Planes" of docs/format.md."""

    def pixel(picture: Picture, x: int, y: int, c: int) -> int:
        other, data = picture
        return data[((y * other // side) * other + x * other // side) * 3 + c]

    mode, blank = coder.bit(576), 1
    change: dict[tuple[int, int, int], int] = {}
    size: dict[tuple[int, int, int], int] = {}
    sign: dict[tuple[int, int, int], int] = {}
    out = bytearray(3 * side * side)
    for c in range(3):
        empty = coder.bit(570 + 2 * c + blank)
        blank &= empty
        for y in range(side):
            for x in range(side):
                near = [(x - 1, y, c), (x, y - 1, c), (x - 1, y - 1, c), (x + 1, y - 1, c)]
                old, key = pixel(reference, x, y, c), pixel(own, x, y, c)
                here = [(x, y, i) for i in range(c)]
                terms = [*(change.get(n, 0) for n in near), key - old, *(change[n] for n in here)]
                guess = old + ((sum(w * t for w, t in zip(CHANGE[c], terms, strict=True)) + 32 >> 6) if mode else 0)
                guess, d = max(0, min(255, guess)), 0
                if not empty:
                    gap = min(abs(key - old) // steps[c], 20)
                    terms = [*(size.get(n, 0) for n in [*near, (x, y - 2, c)]), gap, *(size.get(n, 0) for n in here)]
                    total = min(sum(w * t for w, t in zip(SIZE[c], terms, strict=True)), 255)
                    at = (c * 20 + (min((len(bin(total**5)) - 3) // 2, 19) if total else 0)) * 8
                    if coder.bit(at):
                        d = size_of(coder, at + 1, 7, 15)
                        around = sign.get(near[0], 0) + sign.get(near[1], 0)
                        before = sign.get((x, y, c - 1), 0)
                        if coder.bit(480 + (mode * 3 + c) * 15 + (around + 2) * 3 + before + 1):
                            d = -d
                value = max(0, min(255, guess + d * steps[c]))
                change[x, y, c], size[x, y, c], sign[x, y, c] = value - old, min(abs(d), 20), (d > 0) - (d < 0)
                out[(y * side + x) * 3 + c] = value
    return side, bytes(out)


def shape(coder: RangeDecoder, slot: int, reference: list[int]) -> Shape:
    """The section "Shape" of docs/format.md, up to the values."""
    step = [4, 6, 8, 10, 12, 14, 16, 20][coder.equal(3) if coder.bit(0) else 2]
    full = coder.bit(1)
    d: list[int] = []
    for i in range(16):
        size = 0
        if coder.bit(4 + 4 * i + min(sum(map(abs, d[-3:])), 3)):
            negative = coder.equal()
            size = size_of(coder, 68 + 6 * i, 6, 20) * (-1 if negative else 1)
        d.append(size)
    frames, before = [], [0] * 16
    for _ in range(4 if full else 0):
        e = [0] * 16
        if coder.bit(2 + any(before)):
            for i in range(16):
                near = min(sum(map(abs, e[max(i - 2, 0) : i])), 3)
                if coder.bit(164 + 2 * (4 * i + near) + (before[i] != 0)):
                    negative = coder.bit(293 + (before[i] > 0) - (before[i] < 0))
                    e[i] = size_of(coder, 295, 6, 20) * (-1 if negative else 1)
        frames.append([held(value * step) for value in e])
        before = e
    return slot, [held(r + value * step) for r, value in zip(reference, d, strict=True)], frames


def held(value: int) -> int:
    return max(-4095, min(4095, value))


def places(found: Shape, before: Shape | None, points: list[int], basis: list[int]) -> bytes:
    """The positions of the points in the five frames, in units of 1/1024 pixel, as big-endian 32-bit integers."""
    slot, end, between = found
    start = before[1] if before and before[0] == slot else end
    out = b""
    for k in range(1, 6):
        values = [(2 * b * (5 - k) + 2 * k * e + 5) // 10 for b, e in zip(start, end, strict=True)]
        if between and k < 5:
            values = [value + more for value, more in zip(values, between[k - 1], strict=True)]
        for j, point in enumerate(points):
            moved = sum(value * basis[108 * i + j] for i, value in enumerate(values))
            out += (point * 256 + moved).to_bytes(4, "big", signed=True)
    return out


def steps_of(fields: Header) -> list[int]:
    return [STEPS[fields[1]], STEPS[fields[2]], STEPS[fields[2]]]


def length(data: bytes, at: int) -> tuple[int, int]:
    """(the length, the offset after it)"""
    return (data[at], at + 1) if data[at] < 252 else (data[at] + 4 * data[at + 1], at + 2)


def decode(data: bytes, page: Path) -> Iterator[tuple[int, int, bytes, list[int], bytes]]:
    """(number, slot, bytes, coefficients of the shape, positions of its points) of each picture in a .fw file. The last two are
    empty without a shape."""
    assert data[:9] == b"FACEWIRE\x04"
    probabilities, of_shape, basis = (table(page, name) for name in ("table", "shape table", "basis"))
    grey = (8, bytes([128]) * 192)
    keyframes: dict[int, Picture] = {}
    pictures: dict[int, tuple[Header, Picture]] = {}
    points: dict[int, list[int]] = {}
    shapes: dict[int, Shape] = {}
    at = 9
    while at < len(data):
        kind, size = data[at : at + 1], int.from_bytes(data[at + 1 : at + 4], "big")
        payload, at = data[at + 4 : at + 4 + size], at + size + 8
        if kind == b"K":
            own, start = length(payload, 4)
            coder = RangeDecoder(payload[start : start + own], probabilities)
            _, fields = header(coder, {})
            keyframes[payload[0]] = planes(coder, 8, steps_of(fields), grey, grey)
            size, start = length(payload, start + own)
            bits = "".join(f"{byte:08b}" for byte in payload[start : start + size])
            points[payload[0]] = [int(bits[i : i + 10], 2) for i in range(0, len(bits), 10)]
        elif kind == b"B" and payload[0] & 1:
            number = int.from_bytes(payload[1:3], "big")
            size, start = length(payload, 5 + 3 * bool(payload[0] & 4) + bool(payload[0] & 16))
            coder = RangeDecoder(payload[start : start + size], probabilities)
            back = {n: pictures[(number - n) & 0xFFFF] for n in range(1, 16) if (number - n) & 0xFFFF in pictures}
            distance, fields = header(coder, {n: h for n, (h, _) in back.items()})
            own_picture = keyframes[fields[0]]
            reference = back[distance][1] if distance else own_picture
            pictures[number] = fields, planes(coder, SIDES[fields[3]], steps_of(fields), reference, own_picture)
            moved, where, before = [], b"", shapes.get((number - 1) & 0xFFFF)
            shapes.pop(number, None)
            if payload[0] & 128:
                size, start = length(payload, start + size)
                there = shapes.get((number - distance) & 0xFFFF) if distance else None
                reference_end = there[1] if there and there[0] == fields[0] else [0] * 16
                shapes[number] = shape(RangeDecoder(payload[start : start + size], of_shape), fields[0], reference_end)
                moved, where = shapes[number][1], places(shapes[number], before, points[fields[0]], basis)
            yield number, fields[0], pictures[number][1][1], moved, where


def main() -> None:
    page = Path(__file__).parents[2] / "docs" / "format.md"
    for number, slot, pixels, moved, where in decode(Path(sys.argv[1]).read_bytes(), page):
        hashes = [hashlib.sha256(part).hexdigest() for part in (pixels, where) if part]
        print(number, slot, hashes[0], *moved, *hashes[1:])


if __name__ == "__main__":
    main()
