"""Makes moving-face.fw and the results that a decoder must get from it: run
``python tests/vectors/make.py`` in the repository's root.

The face is drawn with numpy and shows no real person. The sound packets are arbitrary bytes. Run it
again only when the bitstream is changed on purpose: the files are committed to reveal accidental
changes.
"""

import hashlib
import json
import random
from pathlib import Path

import numpy as np

from codec.bundle import Bundle, Face, Report
from codec.container import FileWriter
from codec.keyframe import encode_keyframe
from codec.pictures.header import SIZES
from codec.pictures.picture import PictureDecoder, PictureEncoder
from codec.pictures.sampling import sample
from codec.shape.basis import COEFFICIENTS, POINTS, movements
from codec.shape.keyframe_points import pack_points, parse_points
from codec.shape.shape import Shape, ShapeDecoder, ShapeEncoder, frames_of

HERE = Path(__file__).parent
BUNDLES, FIRST = 40, 65_520
"""The bundle numbers wrap at 65536 in the middle of the stream."""


def draw(turn: float, mouth: float, blink: float) -> np.ndarray:
    """A face-like pattern, RGB (256, 256, 3): ``turn`` moves it sideways, ``mouth`` opens,
    ``blink`` closes the eyes."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    x = x - turn
    skin = 1 / (1 + np.exp(((x / 0.6) ** 2 + (y / 0.8) ** 2 - 1) * 12))
    eyes = (1 - blink) * np.exp(-((np.abs(x) - 0.25) ** 2 + (y + 0.2) ** 2) * 150)
    lips = np.exp(-(x**2) * 20 - (y - 0.4) ** 2 * 200 / (1 + 4 * mouth))
    planes = [60 + 150 * skin - 140 * eyes - 60 * lips, 70 + 90 * skin - 110 * eyes - 80 * lips, 90 + 50 * skin - 90 * eyes]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def stand(i: int) -> np.ndarray:
    """Coefficients (5, 16) of the tick of bundle ``i``: still at first, then moving, sometimes by very much."""
    at = i + np.arange(-4, 1)[:, None] / 5
    order = np.arange(1, COEFFICIENTS + 1)
    values = 120 * np.sin(at * 0.9 / order + order) / order + (i in (11, 20)) * 900 * np.cos(at * order * 7)
    return np.asarray(values * (i > 3), np.float32)


def place(points: np.ndarray, shape: Shape, before: Shape | None) -> str:
    """SHA-256 of the points' positions in the five frames, in units of 1/1024 pixel, as big-endian int32."""
    moved = movements(frames_of(shape, before, 5)) * 1024
    return hashlib.sha256((points * 1024 + moved).astype(">i4").tobytes()).hexdigest()


def main() -> None:
    rng = random.Random(2022)
    encoder, decoder = PictureEncoder(1, 2), PictureDecoder()
    shapes, shape_decoder = ShapeEncoder(), ShapeDecoder()
    points = parse_points(pack_points(np.random.default_rng(5).uniform(-4, 260, (POINTS, 2)).astype(np.float32)))
    keyframes = [encode_keyframe(draw(0, 0, 0), 60, "avif", points), encode_keyframe(draw(0.15, 0.8, 0), 60, "webp", points / 2)]
    expected, decoded, acknowledged = [], [], 0
    before: Shape | None = None
    with (HERE / "moving-face.fw").open("wb") as file:
        writer = FileWriter(file)
        for i in range(BUNDLES):
            number = (FIRST + i) & 0xFFFF
            if i in (0, 25):
                slot = 0 if i == 0 else 9
                writer.keyframe(slot, keyframes[i // 25])
                encoder.set_keyframe(slot, keyframes[i // 25].thumbnail)
                decoder.set_keyframe(slot, keyframes[i // 25].thumbnail)
            # Acknowledgements are late and not for every bundle; from 30 on none, so that the distance reaches its maximum.
            if i % 3 == 0 and 3 <= i < 30:
                acknowledged = i - rng.choice([1, 3])
                encoder.acknowledge((FIRST + acknowledged) & 0xFFFF)
            encoder.luma, encoder.chroma = [(1, 2), (0, 0), (3, 5), (7, 15)][i // 6 % 4]
            encoder.size, encoder.rate = {14: 2, 15: 2, 19: 1, 22: 3, 23: 3}.get(i, 0), i // 20
            picture = told = None
            last, before = before, None
            if i % 13 != 12:
                # At the greatest distance the pose is repeated, so that the acknowledged picture is the better reference.
                pose = acknowledged if i - acknowledged == 15 else i
                crop = draw(0.2 * np.sin(pose / 20), abs(np.sin(pose / 3)), float(pose % 10 == 9))
                if i in (8, 9, 31):
                    crop[:, 130:] = np.minimum(crop[:, 130:], 175) + 80  # a lamp on one side: an edge and large differences
                picture, result = encoder.encode(number, sample(crop, SIZES[encoder.size]))
                _, header = decoder.decode(number, picture)
                decoded.append(result.reshape(-1))
                expected.append(
                    {
                        "number": number,
                        "luma": header.luma,
                        "chroma": header.chroma,
                        "distance": header.distance,
                        "slot": header.slot,
                        "side": header.side,
                        "rate": header.rate,
                        "bytes": len(picture),
                        "sha256": hashlib.sha256(result.tobytes()).hexdigest(),
                    }
                )
                if i % 11 != 7:
                    shapes.step = {9: 0, 10: 7, 21: 5}.get(i, 2)
                    told, _ = shapes.encode(number, header, stand(i)[4 if i % 6 == 5 else 0 :])
                    before = shape_decoder.decode(number, header, told)
                    known = keyframes[header.slot // 9].points
                    assert known is not None
                    expected[-1]["shape"] = {"bytes": len(told), "end": before.end.tolist(), "sha256": place(known, before, last)}
            if told is None:
                shapes.skip()
            bundle = Bundle(
                number,
                (65_500 + 10 * i) & 0xFFFF,
                tick_mode=(0, 0, 1, 2)[i % 4],
                picture=picture,
                sound=tuple(rng.randbytes(rng.choice([0, 3, 60, 260])) for _ in range(i % 4)),
                report=Report((number - 7) & 0xFFFF, 5 * i) if i % 5 else None,
                redundant=(rng.randbytes(30),) * (i % 3 == 2),
                face=Face.TRACKED if picture else Face.NONE,
                muted=i % 7 == 6,
                shape=told,
            )
            writer.bundle(bundle)
        writer.end(BUNDLES * 5)
    np.save(HERE / "moving-face.npy", np.concatenate(decoded))
    description = {
        "file_sha256": hashlib.sha256((HERE / "moving-face.fw").read_bytes()).hexdigest(),
        "about": "pictures: YCbCr, side x side x 3, and the sha256 of these bytes; they lie end to end in moving-face.npy",
        "keyframes": {
            str(slot): {"digest": k.digest.hex(), "own_sha256": hashlib.sha256(k.thumbnail.tobytes()).hexdigest()}
            for slot, k in zip((0, 9), keyframes, strict=True)
        },
        "frames": BUNDLES * 5,
        "pictures": expected,
    }
    (HERE / "moving-face.json").write_text(json.dumps(description, indent=1) + "\n")


if __name__ == "__main__":
    main()
