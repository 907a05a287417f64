"""The committed test vector: the codec, and a second decoder written from docs/format.md, reproduce
it exactly."""

import hashlib
import io
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codec.pictures.contexts
import codec.pictures.picture
import codec.shape.probabilities
import codec.shape.shape
from codec.bundle import Bundle
from codec.container import End, StoredKeyframe, read_file
from codec.pictures.picture import PictureDecoder
from codec.pictures.probabilities import ZERO
from codec.pictures.rangecoder import Coder
from codec.shape.basis import BASIS, POINTS, movements
from codec.shape.shape import ShapeDecoder, frames_of
from models.face.shape_points import MESH

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"


@pytest.fixture(scope="module")
def data() -> bytes:
    return (VECTORS / "moving-face.fw").read_bytes()


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    result: dict[str, Any] = json.loads((VECTORS / "moving-face.json").read_text())
    return result


def _pixels(expected: dict[str, Any]) -> list[np.ndarray]:
    """The pictures in moving-face.npy, which contains their bytes one after another."""
    ends = np.cumsum([3 * p["side"] ** 2 for p in expected["pictures"]])
    return np.split(np.load(VECTORS / "moving-face.npy"), ends[:-1])


def test_the_file_has_the_listed_hash(data: bytes, expected: dict[str, Any]) -> None:
    assert hashlib.sha256(data).hexdigest() == expected["file_sha256"]


def test_the_codec_decodes_it_bit_exactly(data: bytes, expected: dict[str, Any]) -> None:
    decoder, shapes, before = PictureDecoder(), ShapeDecoder(), None
    points: dict[int, np.ndarray] = {}
    wanted = iter(zip(expected["pictures"], _pixels(expected), strict=True))
    frames, bundles = None, 0
    for item in read_file(io.BytesIO(data)):
        if isinstance(item, StoredKeyframe):
            told = expected["keyframes"][str(item.slot)]
            assert item.keyframe.digest.hex() == told["digest"]
            assert hashlib.sha256(item.keyframe.thumbnail.tobytes()).hexdigest() == told["own_sha256"]
            decoder.set_keyframe(item.slot, item.keyframe.thumbnail)
            assert item.keyframe.points is not None
            points[item.slot] = item.keyframe.points
        elif isinstance(item, End):
            frames = item.frames
        else:
            bundles += 1
            assert Bundle.parse(item.pack()) == item
            last, before = before, None
            if item.picture is None:
                continue
            told, pixels = next(wanted)
            picture, header = decoder.decode(item.number, item.picture)
            assert item.number == told["number"]
            fields = ("luma", "chroma", "distance", "slot", "side", "rate")
            assert [getattr(header, field) for field in fields] == [told[field] for field in fields]
            assert len(item.picture) == told["bytes"]
            assert picture.tobytes() == pixels.tobytes(), f"picture {item.number}"
            assert hashlib.sha256(picture.tobytes()).hexdigest() == told["sha256"]
            assert (item.shape is None) == ("shape" not in told)
            if item.shape is not None:
                before = shapes.decode(item.number, header, item.shape)
                assert before.end.tolist() == told["shape"]["end"]
                assert len(item.shape) == told["shape"]["bytes"]
                places = points[header.slot] * 1024 + movements(frames_of(before, last, 5)) * 1024
                assert hashlib.sha256(places.astype(">i4").tobytes()).hexdigest() == told["shape"]["sha256"]
    assert next(wanted, None) is None
    assert frames == expected["frames"] == 5 * bundles


def test_the_vector_uses_every_part_of_the_syntax(data: bytes, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a decoder with an error in an unused part could pass."""
    modes: set[int] = set()
    sizes: list[int] = []

    def watched(coder: Coder, wanted: Any, known: Any, mode: int) -> Any:
        before = coder.code

        def first(zero: int, bit: int = 0) -> int:
            coder.code = before  # type: ignore[method-assign]
            modes.add(found := before(zero, bit))
            return found

        coder.code = first  # type: ignore[method-assign]
        return walk(coder, wanted, known, mode)

    def counted(coder: Coder, value: int) -> int:
        sizes.append(golomb(coder, value))
        return sizes[-1]

    walk, golomb = codec.pictures.picture.walk, codec.pictures.contexts._golomb
    monkeypatch.setattr(codec.pictures.picture, "walk", watched)
    monkeypatch.setattr(codec.pictures.contexts, "_golomb", counted)
    steps, full = set[int](), set[int]()

    def listed(*given: Any) -> Any:
        step, end, rows = walk_shape(*given)
        steps.add(step)
        full.add(int(bool(rows)))
        return step, end, rows

    walk_shape = codec.shape.shape._walk
    monkeypatch.setattr(codec.shape.shape, "_walk", listed)
    decoder, shapes = PictureDecoder(), ShapeDecoder()
    bundles = []
    for item in read_file(io.BytesIO(data)):
        if isinstance(item, StoredKeyframe):
            decoder.set_keyframe(item.slot, item.keyframe.thumbnail)
            sizes.clear()  # the thumbnail of a keyframe, far from grey, has many of them
        elif isinstance(item, Bundle):
            bundles.append(item)
            if item.picture is not None:
                _, header = decoder.decode(item.number, item.picture)
                if item.shape is not None:
                    shapes.decode(item.number, header, item.shape)
    assert modes == {0, 1}
    assert max(sizes) > 10
    pictures = expected["pictures"]
    assert {0, 1, 15} <= {p["distance"] for p in pictures}
    assert {p["slot"] for p in pictures} == {0, 9}
    assert {p["side"] for p in pictures} == {8, 12, 16, 32}
    assert len({(p["luma"], p["chroma"]) for p in pictures}) >= 4
    assert len({p["rate"] for p in pictures}) >= 2
    assert {b.tick_mode for b in bundles} == {0, 1, 2}
    assert any(b.muted for b in bundles)
    ends = [p["shape"]["end"] for p in pictures if "shape" in p]
    assert any(b.picture is not None and b.shape is None for b in bundles)
    assert any(max(map(abs, end)) > 300 for end in ends), "no residual uses Exp-Golomb"
    assert {0, 7, 5, 2} <= steps
    assert full == {0, 1}
    assert any(b.face for b in bundles)
    assert any(b.redundant for b in bundles)
    assert any(b.report for b in bundles)
    assert any(len(packet) > 251 for b in bundles for packet in b.sound)
    assert any(later.number < sooner.number for sooner, later in pairwise(bundles)), "no bundle number wraps"


def test_the_second_decoder_agrees(expected: dict[str, Any]) -> None:
    """It runs as a separate program that does not use the codec."""
    command = [sys.executable, "-I", str(VECTORS / "decode.py"), str(VECTORS / "moving-face.fw")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    for line, picture in zip(lines, expected["pictures"], strict=True):
        shape = picture.get("shape")
        told = [*shape["end"], shape["sha256"]] if shape else []
        assert line.split() == [str(word) for word in (picture["number"], picture["slot"], picture["sha256"], *told)]


@pytest.mark.parametrize(
    ("name", "used"),
    [("table", ZERO), ("shape table", codec.shape.probabilities.ZERO), ("basis", tuple(BASIS.reshape(-1).tolist()))],
)
def test_the_specification_prints_the_tables_in_use(name: str, used: tuple[int, ...]) -> None:
    text = (ROOT / "docs" / "format.md").read_text().split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    numbers = [int(word) for line in text.splitlines() if ":" not in line for word in line.split()]
    assert tuple(numbers) == used


def test_the_specification_lists_the_points_in_use() -> None:
    text = (ROOT / "docs" / "format.md").read_text().split("## Shape")[1].split("Coefficients c move")[0]
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| \d", line)]
    assert tuple(int(n) for row in rows for n in row[3].split(",")) == MESH
    assert [row[1].strip() for row in rows][-1] == f"{POINTS - 8}–{POINTS - 1}"
