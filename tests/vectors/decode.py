"""A second decoder of .fw pictures, written from docs/format.md alone with the standard library: python decode.py FILE.fw.

Shares no code with the codec on purpose, so that the page, this file and the codec check each other. It takes no care of
hostile input. Prints number, slot and the SHA-256 of each picture's bytes.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32]
SIDE = 8


def table(page: Path) -> list[int]:
    """The initial probabilities as the page prints them."""
    text = page.read_text().split("<!-- table -->")[1].split("<!-- end of table -->")[0]
    rows = [line for line in text.splitlines() if line.strip() and ":" not in line]
    return [int(number) for number in re.findall(r"\d+", " ".join(rows))]


class RangeDecoder:
    """The page's section of that name."""

    def __init__(self, data: bytes, probabilities: list[int]) -> None:
        self.rest = iter(data + bytes(10_000))
        self.span, self.value = 0xFFFFFFFF, 0
        for _ in range(4):
            self.value = self.value << 8 | next(self.rest)
        self.fast, self.slow = list(probabilities), list(probabilities)

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
        p = max(32, min(32736, (self.fast[context] + self.slow[context]) >> 2))
        bound = (self.span >> 15) * p
        bit = self._split(bound, self.span - bound)
        for estimate, rate in ((self.fast, 4), (self.slow, 7)):
            estimate[context] += -(estimate[context] >> rate) if bit else (65536 - estimate[context]) >> rate
        return bit

    def equal(self) -> int:
        return self._split(self.span >> 1, self.span >> 1)


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def difference(coder: RangeDecoder, channel: int, left: int, above: int, before: list[int]) -> int:
    active = (0, 1, 2, 3, 3, 4, 4, 4, 5)[min(abs(left) + abs(above), 8)]
    other = sum(abs(d) for d in before)
    near = 0 if other == 0 else 1 if other <= 2 else 2
    if not coder.bit((channel * 6 + active) * 3 + near):
        return 0
    tint = sign(before[-1]) if before else 0
    negative = coder.bit(54 + (channel * 5 + sign(left) + sign(above) + 2) * 3 + tint + 1)
    size = 1
    while size < 15 and coder.bit(99 + (channel * 6 + active) * 7 + min(size - 1, 6)):
        size += 1
    if size == 15:
        prefix = 0
        while coder.equal():
            prefix += 1
        rest = 0
        for _ in range(prefix):
            rest = rest * 2 + coder.equal()
        size += 2**prefix - 1 + rest
    return -size if negative else size


def expected(mode: int, left: int, above: int, corner: int) -> int:
    if mode == 1:
        return int((left + above) / 2)
    return sorted((left, above, left + above - corner))[1] if mode == 2 else 0


def picture(data: bytes, reference: bytes, probabilities: list[int]) -> bytes:
    """192 bytes of Y, Cb, Cr in raster order, from a picture with its header and its reference."""
    steps = [STEPS[data[0] >> 4], STEPS[data[0] & 15], STEPS[data[0] & 15]]
    coder = RangeDecoder(data[2:], probabilities)
    mode = 0 if not coder.bit(225) else 1 + coder.bit(226)
    coded: dict[tuple[int, int, int], int] = {}
    change: dict[tuple[int, int, int], int] = {}
    out = bytearray()
    for y in range(SIDE):
        for x in range(SIDE):
            for c in range(3):
                before = [coded[y, x, i] for i in range(c)]
                d = difference(coder, c, coded.get((y, x - 1, c), 0), coded.get((y - 1, x, c), 0), before)
                around = [change.get(place, 0) for place in ((y, x - 1, c), (y - 1, x, c), (y - 1, x - 1, c))]
                old = reference[len(out)]
                guess = max(0, min(255, old + expected(mode, *around)))
                value = max(0, min(255, guess + d * steps[c]))
                coded[y, x, c], change[y, x, c] = d, value - old
                out.append(value)
    return bytes(out)


def length(data: bytes, at: int) -> tuple[int, int]:
    """(the length, where it ends)"""
    return (data[at], at + 1) if data[at] < 252 else (data[at] + 4 * data[at + 1], at + 2)


def decode(data: bytes, probabilities: list[int]) -> Iterator[tuple[int, int, bytes]]:
    """(number, slot, 192 bytes) of each picture in a .fw file."""
    assert data[:9] == b"FACEWIRE\x01"
    keyframes: dict[int, bytes] = {}
    pictures: dict[int, bytes] = {}
    at = 9
    while at < len(data):
        kind, size = data[at : at + 1], int.from_bytes(data[at + 1 : at + 4], "big")
        payload, at = data[at + 4 : at + 4 + size], at + size + 8
        if kind == b"K":
            own, start = length(payload, 4)
            keyframes[payload[0]] = picture(payload[start : start + own], bytes([128]) * 192, probabilities)
        elif kind == b"B" and payload[0] & 1:
            number = int.from_bytes(payload[1:3], "big")
            size, start = length(payload, 5 + 3 * bool(payload[0] & 4) + bool(payload[0] & 16))
            coded = payload[start : start + size]
            distance, slot = coded[1] >> 4, coded[1] & 15
            reference = pictures[(number - distance) & 0xFFFF] if distance else keyframes[slot]
            pictures[number] = picture(coded, reference, probabilities)
            yield number, slot, pictures[number]


def main() -> None:
    probabilities = table(Path(__file__).parents[2] / "docs" / "format.md")
    for number, slot, pixels in decode(Path(sys.argv[1]).read_bytes(), probabilities):
        print(number, slot, hashlib.sha256(pixels).hexdigest())


if __name__ == "__main__":
    main()
