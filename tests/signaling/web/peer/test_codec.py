"""The codec in JavaScript compared with the one in Python: the same bytes, the same pictures, the same errors."""

import hashlib
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.js_tables import tables
from codec.av1_still import with_file
from codec.bundle import MAX_BUNDLE, Bundle, Face, Report
from codec.bundle_pair import join_bundles, split_bundles
from codec.control import Bye, Hello, KeyframeChunk, KeyframeNotice, SafetyCommitment, SafetyNumber, Verb, parse_message
from codec.errors import CodecError
from codec.keyframe import encode_keyframe, parse_keyframe
from codec.media.types import UInt8
from codec.pictures.colour import rgb_to_ycbcr, ycbcr_to_rgb
from codec.pictures.header import SIZES, PictureHeader
from codec.pictures.picture import PictureDecoder, PictureEncoder, decode_alone, encode_alone
from codec.pictures.sampling import sample
from codec.safety_code import SafetyCode, fingerprint
from codec.shape.basis import COEFFICIENTS, POINTS, coefficients, movements
from codec.shape.keyframe_points import pack_points
from codec.shape.shape import ShapeDecoder, ShapeEncoder, frames_of
from codec.wirebytes import pack_length
from signaling.web.npm import node
from tests.codec.test_fuzz import mutate
from tests.signaling.web.peer.conftest import Browser

VECTORS = Path(__file__).parents[3] / "vectors"


def picture_of(array: UInt8) -> dict[str, Any]:
    """A picture in the form that the page's codec takes."""
    return {"side": len(array), "ycbcr": array.tobytes().hex()}


def noisy(rng: np.random.Generator, before: UInt8 | None, side: int) -> UInt8:
    """The next picture of a stream: similar to the one before, or completely different."""
    if before is None or len(before) != side or rng.random() < 0.15:
        return rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    moved = before.astype(int) + rng.normal(0, rng.choice([0, 2, 20]), before.shape).round().astype(int)
    return np.clip(moved, 0, 255).astype(np.uint8)


def test_the_vector_is_decoded_bit_exactly(browser: Browser) -> None:
    expected = json.loads((VECTORS / "moving-face.json").read_text())
    items = browser.ask("readFile", data=(VECTORS / "moving-face.fw").read_bytes().hex())
    assert items[-1] == {"kind": "end", "frames": expected["frames"]}
    browser.ask("make", name="p", kind="pictureDecoder")
    browser.ask("make", name="s", kind="shapeDecoder")
    points: dict[int, np.ndarray] = {}
    pictures, before = iter(expected["pictures"]), None
    for item in items[:-1]:
        if item["kind"] == "keyframe":
            keyframe, slot = item["keyframe"], item["slot"]
            assert keyframe["digest"] == expected["keyframes"][str(slot)]["digest"]
            own = keyframe["thumbnail"]
            assert hashlib.sha256(bytes.fromhex(own["ycbcr"])).hexdigest() == expected["keyframes"][str(slot)]["own_sha256"]
            browser.ask("keyframeFor", name="p", slot=slot, own=own)
            points[slot] = np.array(keyframe["points"]).reshape(POINTS, 2)
            continue
        bundle, last, before = item["bundle"], before, None
        if bundle["picture"] is None:
            continue
        wanted = next(pictures)
        found = browser.ask("decodePicture", name="p", number=bundle["number"], data=bundle["picture"])
        assert hashlib.sha256(bytes.fromhex(found["picture"]["ycbcr"])).hexdigest() == wanted["sha256"]
        header = found["header"]
        assert [header[k] for k in ("luma", "chroma", "distance", "slot")] == [
            wanted[k] for k in ("luma", "chroma", "distance", "slot")
        ]
        if bundle["shape"] is None:
            continue
        before = browser.ask("decodeShape", name="s", number=bundle["number"], header=header, data=bundle["shape"])
        assert before["end"] == wanted["shape"]["end"]
        frames = browser.ask("framesOf", shape=before, before=last, count=5)
        moved = np.array([browser.ask("movements", values=row) for row in frames]).reshape(5, POINTS, 2)
        places = ((points[header["slot"]] + moved) * 1024).astype(">i4")
        assert hashlib.sha256(places.tobytes()).hexdigest() == wanted["shape"]["sha256"]
    assert next(pictures, None) is None


@pytest.mark.parametrize("seed", range(6))
def test_streams_of_pictures_agree_in_both_directions(browser: Browser, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = PictureEncoder(), PictureDecoder()
    browser.ask("make", name="e", kind="pictureEncoder", args=[3, 3, 0, 0])
    browser.ask("make", name="d", kind="pictureDecoder")
    before, number, alike = None, 65_520, 0
    for i in range(40):
        if i % 20 == 0:
            own, slot = noisy(rng, None, 8), int(rng.integers(16))
            ours.set_keyframe(slot, own)
            theirs.set_keyframe(slot, own)
            for name in ("e", "d"):
                browser.ask("keyframeFor", name=name, slot=slot, own=picture_of(own))
        luma, chroma, size = int(rng.integers(16)), int(rng.integers(16)), int(rng.choice([0, 0, 0, 1, 2]))
        for field, value in (("luma", luma), ("chroma", chroma), ("size", size)):
            setattr(ours, field, value)
            browser.ask("set", name="e", field=field, value=value)
        before = noisy(rng, before, SIZES[size])
        limit = None if rng.random() < 0.5 else int(rng.integers(5, 90))
        data, decoded = ours.encode(number, before, limit)
        made = browser.ask("encodePicture", name="e", number=number, wanted=picture_of(before), limit=limit)
        alike += made["data"] == data.hex()
        seen = browser.ask("decodePicture", name="d", number=number, data=data.hex())
        assert seen["picture"] == picture_of(decoded)
        # Python decodes the page's data to the page's own decoded picture.
        picture, header = theirs.decode(number, bytes.fromhex(made["data"]))
        assert picture_of(picture) == made["decoded"]
        assert header.luma == made["header"]["luma"]
        if rng.random() < 0.4:
            ours.acknowledge(number)
            browser.ask("call", name="e", method="acknowledge", args=[number])
        number = (number + 1) & 0xFFFF
    assert alike == 40


@pytest.mark.parametrize("seed", range(6))
def test_streams_of_shapes_agree_in_both_directions(browser: Browser, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = ShapeEncoder(), ShapeDecoder()
    browser.ask("make", name="e", kind="shapeEncoder")
    browser.ask("make", name="d", kind="shapeDecoder")
    values, before = np.zeros(COEFFICIENTS), None
    for i in range(50):
        values = values + rng.normal(0, rng.choice([0, 5, 60, 3000], p=[0.2, 0.5, 0.25, 0.05]), COEFFICIENTS)
        count = 5 if rng.random() < 0.7 else 1
        frames = (values + rng.normal(0, 8, (count, COEFFICIENTS))).astype(np.float32)
        header = PictureHeader(distance=int(rng.integers(4)), slot=int(rng.integers(2)))
        step = int(rng.integers(8))
        ours.step = step
        browser.ask("set", name="e", field="step", value=step)
        data, shape = ours.encode(i, header, frames)
        fields = {"distance": header.distance, "slot": header.slot}
        made = browser.ask("encodeShape", name="e", number=i, header=fields, frames=frames.tolist())
        assert made["data"] == data.hex()
        seen = browser.ask("decodeShape", name="d", number=i, header=fields, data=data.hex())
        assert seen == {"slot": shape.slot, "end": shape.end.tolist(), "between": shape.between.tolist()} == made["shape"]
        again = theirs.decode(i, header, data)
        laid = browser.ask("framesOf", shape=seen, before=before and browser_shape(before), count=5)
        assert laid == frames_of(again, before, 5).tolist()
        assert np.array_equal(browser.ask("movements", values=laid[0]), movements(np.array(laid[0])).reshape(-1))
        before = again


def browser_shape(shape: Any) -> dict[str, Any]:
    return {"slot": shape.slot, "end": shape.end.tolist(), "between": shape.between.tolist()}


packets = st.lists(st.binary(max_size=300), max_size=20).map(tuple)
bundles = st.builds(
    Bundle, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2), st.none() | st.binary(max_size=1275), packets,
    st.none() | st.builds(Report, st.integers(0, 65535), st.integers(0, 255)), packets, st.sampled_from(Face),
    st.booleans(), st.booleans(),
)  # fmt: skip
digests = st.binary(min_size=8, max_size=8)
names = st.from_regex(r"[A-Za-z0-9._+-]{0,64}", fullmatch=True)
messages = st.one_of(
    st.builds(Hello, st.integers(1, 255), st.sampled_from(SIZES), st.just((200, 60)), names),
    st.builds(KeyframeNotice, st.sampled_from(Verb), st.integers(0, 15), digests),
    st.builds(lambda d, b: KeyframeChunk(3, d, 60_000, 7, b), digests, st.binary(min_size=1, max_size=2000)),
    st.just(Bye()),
    st.builds(SafetyCommitment, st.binary(min_size=32, max_size=32)),
    st.builds(SafetyNumber, st.binary(min_size=32, max_size=32)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(bundle=bundles)
def test_bundles_round_trip_byte_for_byte(browser: Browser, bundle: Bundle) -> None:
    data = bundle.pack().hex()
    assert browser.ask("repackBundle", data=data) == data
    told = browser.ask("parseBundle", data=data)
    assert (told["number"], told["time"], told["tickMode"]) == (bundle.number, bundle.time, bundle.tick_mode)
    assert (told["face"], told["muted"], told["pausing"]) == (bundle.face, bundle.muted, bundle.pausing)
    assert told["sound"] == [p.hex() for p in bundle.sound]
    assert told["report"] == (bundle.report and {"newest": bundle.report.newest, "loss": bundle.report.loss})


@settings(max_examples=50, deadline=None)
@given(first=bundles, second=bundles)
def test_pairs_are_joined_and_split_as_in_python(browser: Browser, first: Bundle, second: Bundle) -> None:
    packed = [first.pack(), second.pack()]
    assume(sum(map(len, packed)) < MAX_BUNDLE)
    message = join_bundles(*packed)
    assert browser.ask("joinBundles", first=packed[0].hex(), second=packed[1].hex()) == message.hex()
    told = browser.ask("splitBundles", data=message.hex())
    assert told == [browser.ask("parseBundle", data=data.hex()) for data in packed]


@settings(max_examples=100, deadline=None)
@given(message=messages)
def test_messages_round_trip_byte_for_byte(browser: Browser, message: Any) -> None:
    data = message.pack().hex()
    assert browser.ask("repackMessage", data=data) == data


def face(rng: np.random.Generator) -> UInt8:
    return np.kron(rng.integers(0, 256, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)


@pytest.mark.parametrize("form", ["av1", "avif", "webp"])
def test_keyframes_agree(browser: Browser, form: str) -> None:
    rng = np.random.default_rng(4)
    rgb, points = face(rng), rng.uniform(-5, 262, (POINTS, 2)).astype(np.float32)
    keyframe = encode_keyframe(rgb, 70, form, points)
    told = browser.ask("parseKeyframe", data=keyframe.data.hex())
    # The image is the last part of a keyframe; bare AV1 units are wrapped in a file.
    before = (encode_alone(keyframe.thumbnail), pack_points(points))
    sent = keyframe.data[3 + sum(len(pack_length(len(part))) + len(part) for part in before) :]
    file = with_file(sent) if form == "av1" else sent
    assert (told["form"], told["digest"]) == ("webp" if form == "webp" else "avif", keyframe.digest.hex())
    assert told["image"] == file.hex()
    assert told["thumbnail"] == picture_of(keyframe.thumbnail)
    assert keyframe.points is not None
    assert np.array_equal(told["points"], keyframe.points.reshape(-1))
    rgba = np.dstack([rgb, np.full((256, 256), 255, np.uint8)])
    assert browser.ask("sample", data=rgba.tobytes().hex(), side=256, size=8) == picture_of(sample(rgb))
    assert browser.ask("packPoints", points=points.reshape(-1).tolist()) == pack_points(points).hex()
    made = browser.ask("makeKeyframe", image=sent.hex(), own=told["thumbnail"], points=points.reshape(-1).tolist())
    assert made["data"] == keyframe.data.hex()
    assert parse_keyframe(bytes.fromhex(made["data"])) == keyframe
    assert browser.ask("encodeAlone", own=picture_of(keyframe.thumbnail)) == encode_alone(keyframe.thumbnail).hex()


def test_colours_and_coefficients_agree(browser: Browser) -> None:
    rng = np.random.default_rng(8)
    rgb = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    assert browser.ask("rgbToYcbcr", data=rgb.tobytes().hex()) == rgb_to_ycbcr(rgb).tobytes().hex()
    assert browser.ask("ycbcrToRgb", data=rgb.tobytes().hex()) == ycbcr_to_rgb(rgb).tobytes().hex()
    moved = rng.normal(0, 9, (POINTS, 2)).astype(np.float32)
    assert np.allclose(browser.ask("coefficients", moved=moved.reshape(-1).tolist()), coefficients(moved), rtol=1e-4, atol=1e-2)


def outcome(parse: Any, data: bytes) -> str:
    """ "ok", or the name of the codec's error."""
    try:
        parse(data)
    except CodecError as error:
        return type(error).__name__
    return "ok"


def corpus() -> dict[str, list[bytes]]:
    """Valid inputs by the request that parses them."""
    rng = np.random.default_rng(3)
    keyframes = [
        encode_keyframe(face(rng), 50, form, rng.uniform(0, 256, (POINTS, 2)).astype(np.float32))
        for form in ("av1", "avif", "webp")
    ]
    encoder, shapes = PictureEncoder(), ShapeEncoder()
    encoder.set_keyframe(0, keyframes[0].thumbnail)
    pictures = [encoder.encode(i, noisy(rng, None, 8))[0] for i in range(4)]
    told = [shapes.encode(i, PictureHeader(), rng.normal(0, 300, (5, COEFFICIENTS)).astype(np.float32))[0] for i in range(4)]
    chunk = KeyframeChunk(0, keyframes[0].digest, len(keyframes[0].data), 0, keyframes[0].data[:500])
    bundle = Bundle(1, 2, 0, pictures[0], (b"abc", b""), Report(3, 4), (b"x",), Face.MANY, True, True, told[0])
    return {
        "parseBundle": [bundle.pack()],
        "splitBundles": [join_bundles(bundle.pack(), Bundle(2, 12).pack()), join_bundles(Bundle(1, 2).pack(), bundle.pack())],
        "parseMessage": [m.pack() for m in (Hello(), chunk, KeyframeNotice(Verb.HAVE, 1, b"12345678"), Bye())],
        "parseKeyframe": [k.data for k in keyframes],
        "decodeAlone": [encode_alone(k.thumbnail) for k in keyframes],
        "decodePicture": pictures,
        "decodeShape": told,
    }


HELLOS = [
    b'\x01{"version":%s,"size":8,"rungs":[200]%s}' % parts
    for parts in [(b"4", b""), (b"4.0", b""), (b"4.5", b""), (b"1e0", b""), (b"true", b""), (b"NaN", b"")]
    + [(b"4", b',"model":' + model) for model in (b'"a"', b"null", b"1", b'""')]
    + [(b"4", b',"x":' + other) for other in (b"NaN", b"null", b"1e999", b"-Infinity")]
]
"""What JSON readers differ in."""


def test_mutated_input_has_the_same_outcome_as_in_python(browser: Browser) -> None:
    rng, inputs = random.Random(11), corpus()
    thumbnail = parse_keyframe(inputs["parseKeyframe"][0]).thumbnail
    for op in PARSERS:
        valid = inputs[op]
        spoilt = [*valid, *(mutate(rng.choice(valid), valid, rng) for _ in range(400))]
        spoilt += HELLOS if op == "parseMessage" else []
        requests: list[dict[str, Any]] = []
        for data in spoilt:
            if op == "decodePicture":
                requests += [{"op": "make", "name": "f", "kind": "pictureDecoder"}]
                requests += [{"op": "keyframeFor", "name": "f", "slot": 0, "own": picture_of(thumbnail)}]
            elif op == "decodeShape":
                requests += [{"op": "make", "name": "f", "kind": "shapeDecoder"}]
            requests += [{"op": op, "name": "f", "number": 0, "header": {}, "data": data.hex()}]
        answers = [a for a, r in zip(browser.answers(requests), requests, strict=True) if r["op"] == op]
        for data, answer in zip(spoilt, answers, strict=True):
            assert answer.get("error", "ok") == outcome(PARSERS[op](thumbnail), data), f"{op} {data.hex()}"


def _decode_picture(thumbnail: UInt8) -> Any:
    decoder = PictureDecoder()
    decoder.set_keyframe(0, thumbnail)
    return lambda data: decoder.decode(0, data)


PARSERS: dict[str, Any] = {
    "parseBundle": lambda _: Bundle.parse,
    "splitBundles": lambda _: lambda data: [Bundle.parse(part) for part in split_bundles(data)],
    "parseMessage": lambda _: parse_message,
    "decodeAlone": lambda _: decode_alone,
    "decodePicture": _decode_picture,
    "decodeShape": lambda _: lambda data: ShapeDecoder().decode(0, PictureHeader(), data),
}


def test_mutated_keyframes_raise_only_keyframe_errors(browser: Browser) -> None:
    """Python also decodes the image, so it refuses some keyframes that the page accepts."""
    rng, valid = random.Random(12), corpus()["parseKeyframe"]
    spoilt = [mutate(rng.choice(valid), valid, rng) for _ in range(400)]
    answers = browser.answers([{"op": "parseKeyframe", "data": data.hex()} for data in spoilt])
    for data, answer in zip(spoilt, answers, strict=True):
        assert answer.get("error", "ok") in ("ok", "KeyframeError")
        if "error" in answer:
            assert outcome(parse_keyframe, data) == "KeyframeError", data.hex()


ROUNDS = int(os.environ.get("FACEWIRE_FUZZ_PAGE", "20000"))
"""docs/format.md reports a run with 100,000."""


def test_mutated_input_raises_only_errors_of_the_codec(tmp_path: Path) -> None:
    inputs = {name: [data.hex() for data in valid] for name, valid in corpus().items()}
    inputs["readFile"] = [(VECTORS / "moving-face.fw").read_bytes().hex()]
    (tmp_path / "corpus.json").write_text(json.dumps(inputs))
    words = [node(), str(Path(__file__).with_name("fuzz.mjs")), str(tmp_path / "corpus.json"), str(ROUNDS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert not done.returncode, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["inputs"] >= ROUNDS
    assert counts["inputs"] / 20 < counts["refused"] < counts["inputs"]


def test_tables_equal_those_of_python() -> None:
    for path, text in tables().items():
        assert path.read_text() == text, f"{path.name}: python -m bench.js_tables"


def test_safety_codes_agree(browser: Browser) -> None:
    rng = random.Random(9)
    for _ in range(5):
        own, other, one, two = (rng.randbytes(32) for _ in range(4))
        ours = SafetyCode(own, other, one)
        browser.ask("make", name="c", kind="safetyCode", args=[other.hex(), own.hex(), two.hex()])
        commitment = browser.ask("call", name="c", method="commitment", args=[])
        assert commitment == SafetyCode(other, own, two).commitment.hex()
        number = browser.ask("committed", name="c", data=ours.commitment.hex())
        assert number == two.hex()
        ours.committed(bytes.fromhex(commitment))
        words = ours.revealed(two)
        assert browser.ask("revealed", name="c", data=one.hex()) == list(words)
        assert browser.answers([{"op": "revealed", "name": "c", "data": two.hex()}])[0]["error"] == "SyntaxLimitError"


def test_fingerprints_agree(browser: Browser) -> None:
    own = ":".join(f"{byte:02X}" for byte in range(32))
    longer = f"{own}:{own}"
    sdp = f"v=0\r\na=fingerprint:sha-256 {own}\r\na=fingerprint:sha-512 {longer}\r\na=setup:active\r\n"
    assert browser.ask("fingerprint", sdp=sdp) == bytes(range(32)).hex() == (fingerprint(sdp) or b"").hex()
    kept = browser.ask("onlySha256", sdp=sdp)
    assert kept == f"v=0\r\na=fingerprint:sha-256 {own}\r\na=setup:active\r\n"
    assert browser.ask("fingerprint", sdp=f"{sdp}a=fingerprint:sha-256 {own[::-1]}\r\n") is None
