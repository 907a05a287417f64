"""encode and decode: the same pictures as in a call, complete frames, sync, and damaged files."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from bench.demo import shipped_clip
from codec.bundle import Bundle, Face
from codec.container import End, FileWriter, StoredKeyframe, read_file
from codec.errors import ContainerError
from codec.media.files import SourceError, file_sound
from models.face.tracker import whole
from models.runtime.upsampler import Interpolator
from receiver.decode_file import decode_file
from receiver.outputs.video_file import OutputError
from receiver.tick_decoder import TickDecoder
from sender.encode_file import encode_file, without_face
from sender.stream import StreamConfig


def short_clip(path: Path, frames: int) -> Path:
    """The shipped clip's first frames with their sound."""
    with av.open(str(shipped_clip())) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        audio = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video" and packet.pts * packet.time_base < frames / 25 - 0.001:
                packet.stream = video
                out.mux(packet)
            elif packet.stream.type == "audio" and packet.pts * packet.time_base < frames / 25:
                packet.stream = audio
                out.mux(packet)
    return path


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("fw")
    clip = short_clip(folder / "clip.mp4", 63)
    encode_file(clip, folder / "clip.fw", StreamConfig(crop="none", keyframe="first"))
    return clip, folder / "clip.fw"


def test_decoded_frames_and_sound_are_in_sync(encoded: tuple[Path, Path], tmp_path: Path) -> None:
    clip, stored = encoded
    out = tmp_path / "out.mp4"
    figures = decode_file(stored, out)
    with av.open(str(clip)) as a, av.open(str(out)) as b:
        wanted = sum(1 for _ in a.decode(video=0))
        pictures = [f.to_ndarray(format="rgb24") for f in b.decode(video=0)]
        assert b.streams.video[0].average_rate == 25
    assert (figures["frames"], figures["ticks"], figures["errors"]) == (wanted, -(-wanted // 5), 0)
    assert 30 < figures["consistency_lowest_db"] < figures["consistency_db"] < 60
    assert len(pictures) == wanted
    assert pictures[0].shape == (256, 256, 3)
    heard, said = np.concatenate(list(file_sound(out))), np.concatenate(list(file_sound(clip)))
    count = min(len(heard), len(said)) - 2000
    a, b = (np.convolve(np.abs(x), np.ones(80) / 80, "same") for x in (said, heard))
    shifts = range(-800, 801, 20)
    best = max(shifts, key=lambda s: float(np.dot(a[1000:count], b[1000 + s : count + s])))
    assert abs(best) <= 320  # 20 ms


def test_file_and_call_decode_the_same_pictures(encoded: tuple[Path, Path], interpolator) -> None:
    records = list(read_file(encoded[1].open("rb")))
    decoder = TickDecoder(interpolator)
    decoder.set_keyframe(records[0].slot, records[0].keyframe.thumbnail)
    bundles = [r for r in records if isinstance(r, Bundle)]
    for i, bundle in enumerate(bundles):
        assert decoder.arrived(Bundle.parse(bundle.pack()))
        decoder.tick(i * 200, 200, bundle)
    assert decoder.errors == 0
    assert isinstance(records[-1], End)


def test_bits_are_counted_as_the_paper_counts(encoded: tuple[Path, Path], tmp_path: Path) -> None:
    told = encode_file(encoded[0], tmp_path / "again.fw", StreamConfig(crop="none", keyframe="first"))
    count = told.count
    bundles = [r for r in read_file((tmp_path / "again.fw").open("rb")) if isinstance(r, Bundle)]
    bits = sum(len(b.picture) + len(b.shape or b"") for b in bundles) * 8
    frames = count.seconds * 25
    assert count.bpp_video == pytest.approx(bits / (frames * 65536))
    assert count.bpp_video < 0.0012
    assert told.lowres_psnr_db > 45
    assert told.frames == round(frames)
    assert told.faceless_frames == 0  # with crop="none" no face is looked for


def test_a_truncated_file_is_decoded_up_to_its_end_and_reported(encoded: tuple[Path, Path], tmp_path: Path) -> None:
    data = encoded[1].read_bytes()
    cut, out = tmp_path / "cut.fw", tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 19 // 20])
    with pytest.raises(ContainerError, match="was written"):
        decode_file(cut, out)
    with av.open(str(out)) as container:
        assert 5 <= sum(1 for _ in container.decode(video=0)) < 63


def test_a_file_of_another_format_leaves_no_output(tmp_path: Path) -> None:
    bad = tmp_path / "bad.fw"
    bad.write_bytes(b"RIFF" * 100)
    with pytest.raises(ContainerError, match=r"not a \.fw file"):
        decode_file(bad, tmp_path / "out.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.fw"]


def test_a_failed_encode_keeps_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "old.fw"
    old.write_bytes(b"precious")
    with pytest.raises(SourceError):
        encode_file(tmp_path / "missing.mp4", old, StreamConfig())
    assert old.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["old.fw"]


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """Twelve frames of a grey gradient."""
    path = tmp_path / "slope.mp4"
    slope = np.broadcast_to(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], (240, 320, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(slope), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_frames_without_a_face_are_counted(faceless: Path, tmp_path: Path) -> None:
    told = encode_file(faceless, tmp_path / "a.fw", StreamConfig())
    assert (told.frames, told.faceless_frames) == (12, 12)
    assert "no face in any of its 12 frames" in without_face(faceless, told.faceless_frames, told.frames)
    assert "no face in 5 of 12 frames" in without_face(faceless, 5, 12)
    clip = short_clip(tmp_path / "clip.mp4", 12)
    assert encode_file(clip, tmp_path / "b.fw", StreamConfig()).faceless_frames == 0


def test_output_names_with_another_extension_are_refused(encoded: tuple[Path, Path], tmp_path: Path) -> None:
    clip, stored = encoded
    for name in ("out.xyz", "out", "out.mkv", "mp4"):
        with pytest.raises(OutputError, match=r"it must be named \.mp4"):
            decode_file(stored, tmp_path / name)
    with pytest.raises(OutputError, match=r"it must be named \.fw"):
        encode_file(clip, tmp_path / "out.mp4", StreamConfig())
    assert list(tmp_path.iterdir()) == []


def test_the_reader_accepts_an_open_stream(encoded: tuple[Path, Path]) -> None:
    assert len(list(read_file(io.BytesIO(encoded[1].read_bytes())))) > 10


@pytest.mark.parametrize("size", [16, 32])
def test_larger_pictures_give_more_detail(tmp_path: Path, size: int, interpolator: Interpolator) -> None:
    """Without shape, as in the paper: with shape, 16×16 pixels of this clip add little."""
    clip = short_clip(tmp_path / "clip.mp4", 90)
    files = {side: tmp_path / f"{side}.fw" for side in (8, size)}
    costs = {
        side: encode_file(clip, file, StreamConfig(crop="none", keyframe="first", size=side, shape=False)).count.bits_per_picture
        for side, file in files.items()
    }
    assert costs[size] > 1.3 * costs[8]
    figures = {side: decode_file(file, tmp_path / f"{side}.mp4") for side, file in files.items()}
    assert figures[size]["errors"] == 0

    def pictures(container: av.container.InputContainer) -> Iterator[np.ndarray]:
        return (np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode(video=0))

    def error(side: int) -> float:
        with av.open(str(tmp_path / f"{side}.mp4")) as a, av.open(str(clip)) as b:
            shown, true = ([whole(rgb).cut(rgb).astype(float) for rgb in pictures(c)] for c in (a, b))
        return float(np.mean([(x - y) ** 2 for x, y in zip(shown, true, strict=True)]))

    assert error(size) < error(8)
    decoder, frames = TickDecoder(interpolator), []
    with files[size].open("rb") as file:
        for record in read_file(file):
            if isinstance(record, StoredKeyframe):
                decoder.set_keyframe(record.slot, record.keyframe.thumbnail)
            elif isinstance(record, Bundle):
                decoder.arrived(record)
                frames += decoder.tick(record.number * 200, record.tick_ms, record).frames
    assert len(frames) >= 33
    assert all(f.detail is not None and f.detail.shape == (3, 64, 64) for f in frames)
    assert all(np.abs(f.detail).max() > 0.01 for f in frames)


def test_a_record_with_bad_contents_is_skipped_and_reported(encoded: tuple[Path, Path], tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.fw", tmp_path / "bad.mp4"
    with encoded[1].open("rb") as file, bad.open("wb") as copy:
        writer = FileWriter(copy)
        writer._record(b"K", b"\x00 no keyframe")
        for number, record in enumerate(read_file(file)):
            if isinstance(record, StoredKeyframe):
                writer.keyframe(record.slot, record.keyframe)
            elif isinstance(record, Bundle):
                writer.bundle(record)
            else:
                writer.end(record.frames)
            if number == 5:
                writer._record(b"B", b"\xff")
    with pytest.raises(ContainerError, match="was written"):
        decode_file(bad, out)
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 63


def test_a_camera_that_is_off_is_grey_in_the_video(recorded, tmp_path: Path) -> None:
    keyframe, bundles, _ = recorded
    stored, out = tmp_path / "off.fw", tmp_path / "off.mp4"
    with stored.open("wb") as file:
        writer = FileWriter(file)
        writer.keyframe(0, keyframe)
        for number, bundle in enumerate(bundles[:12]):
            off = 3 <= number < 8
            writer.bundle(replace(bundle, picture=None, shape=None, face=Face.CAMERA_OFF) if off else bundle)
        writer.end(60)
    assert decode_file(stored, out)["frames"] == 60
    with av.open(str(out)) as container:
        seen = [float(frame.to_ndarray(format="rgb24").std()) > 10 for frame in container.decode(video=0)]
    assert seen[:15] == [True] * 15
    assert seen[16:39] == [False] * 23
    assert all(seen[41:])


def test_a_file_without_pictures_keeps_the_old_video(recorded, tmp_path: Path) -> None:
    stored, out = tmp_path / "a.fw", tmp_path / "a.mp4"
    with stored.open("wb") as file:
        FileWriter(file).keyframe(0, recorded[0])
    out.write_bytes(b"old")
    with pytest.raises(ContainerError, match="no pictures"):
        decode_file(stored, out)
    assert out.read_bytes() == b"old"
