"""upsample: every size and frame rate gives a complete, sharp video with sound that agrees with the small frames."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.demo import shipped_clip
from codec.media.files import SourceError, file_frames, file_sound
from facewire import app
from models.face.detector import BlazeFace
from models.face.tracker import Tracker
from models.runtime.detail import shrink
from models.runtime.mel import log_mel
from models.runtime.upsampler import Interpolator, Upsampler
from receiver.outputs.video_file import OutputError
from receiver.upsample import SIZES, back_project, between, load_identity, speech_mel, upsample_file, windows

COUNT = 8


def write(path: Path, frames: list[np.ndarray], rate: int = 25, sound: np.ndarray | None = None) -> Path:
    """Write a lossless video of RGB frames, with ``sound`` at 16 kHz if given."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=rate)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "bgr0"
        audio = out.add_stream("pcm_s16le", rate=16000, layout="mono") if sound is not None else None
        for i, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture.pts, picture.time_base = i, Fraction(1, rate)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        if audio is not None and sound is not None:
            heard = av.AudioFrame.from_ndarray((sound * 32767).astype(np.int16)[None], format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 16000, 0, Fraction(1, 16000)
            out.mux(audio.encode(heard))
            out.mux(audio.encode(None))
    return path


def small(frames: list[np.ndarray], side: int) -> list[np.ndarray]:
    return [np.rint(shrink(f, side) * 255).astype(np.uint8) for f in frames]


@pytest.fixture(scope="module")
def truth() -> list[np.ndarray]:
    """Some of the shipped clip's first frames, cropped as in a call."""
    frames = list(islice(file_frames(shipped_clip()), 0, 5 * COUNT, 5))
    crop, _ = Tracker(BlazeFace()).update(frames[0])
    return [crop.cut(f) for f in frames]


@pytest.fixture(scope="module")
def identity(truth: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "face.png"
    Image.fromarray(truth[0]).save(path)
    return path


@pytest.fixture
def loaded(upsamplers: list[Upsampler], monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is loaded only once for all tests."""
    monkeypatch.setattr("receiver.upsample.Upsampler", lambda *_: upsamplers[0])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(((a.astype(float) - b.astype(float)) ** 2).mean() / 255**2))


def gradient(rgb: np.ndarray) -> float:
    """Energy of the luma's gradient."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(float)
    return float((np.diff(grey, axis=0) ** 2).mean() + (np.diff(grey, axis=1) ** 2).mean())


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("side", SIZES)
def test_each_size_is_sharper_and_closer_to_the_truth_than_bicubic(
    side: int, truth: list[np.ndarray], identity: Path, tmp_path: Path
) -> None:
    frames = small(truth, side)
    sound = np.sin(np.arange(COUNT * 640) / 9).astype(np.float32) / 2
    source, out = write(tmp_path / "lr.mkv", frames, sound=sound), tmp_path / "out.mp4"
    seen: list[int] = []
    figures = upsample_file(source, identity, out, 256 // side, progress=seen.append)
    assert (figures["frames"], figures["side"], figures["scale"], figures["speech"]) == (COUNT, side, 256 // side, True)
    assert figures["averaged_psnr_db"] > 45  # before the compression of the output file
    assert seen == list(range(1, COUNT + 1))
    got = list(file_frames(out))
    assert len(got) == COUNT
    assert got[0].shape == (256, 256, 3)
    bicubic = [cv2.resize(f, (256, 256), interpolation=cv2.INTER_CUBIC) for f in frames]
    assert np.mean([psnr(a, b) for a, b in zip(got, truth, strict=True)]) > np.mean(
        [psnr(a, b) for a, b in zip(bicubic, truth, strict=True)]
    )
    assert np.mean([gradient(f) for f in got]) > 1.1 * np.mean([gradient(f) for f in bicubic])
    again = small(got, side)
    assert min(psnr(a, b) for a, b in zip(again, frames, strict=True)) > 35
    heard = np.concatenate(list(file_sound(out)))
    assert abs(len(heard) - len(sound)) <= 2048
    assert np.abs(heard[2000:4000]).max() == pytest.approx(0.5, abs=0.1)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["lr.mkv", "out.mp4"]


@pytest.mark.usefixtures("loaded")
def test_speech_can_be_disabled_or_taken_from_another_file(truth: list[np.ndarray], identity: Path, tmp_path: Path) -> None:
    source, out = write(tmp_path / "lr.mkv", small(truth[:3], 8)), tmp_path / "out.mp4"
    assert upsample_file(source, identity, out)["speech"] is False
    with av.open(str(out)) as container:
        assert not container.streams.audio
    assert upsample_file(source, identity, out, audio=shipped_clip())["speech"] is True
    assert upsample_file(source, identity, out, audio=shipped_clip(), speech=False)["speech"] is False
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1
    with pytest.raises(SourceError, match="no sound"):
        upsample_file(source, identity, out, audio=source)


def test_back_projection_makes_averages_exact_and_adds_no_blocks() -> None:
    rng = np.random.default_rng(1)
    frame = cv2.resize(rng.random((64, 64, 3), np.float32), (256, 256)) * 0.6 + 0.2
    for side in SIZES:
        wanted = np.clip(shrink(frame, side) + rng.normal(0, 0.05, (side, side, 3)).astype(np.float32), 0, 1)
        got = back_project(frame, wanted)
        assert np.abs(shrink(got, side) - wanted).mean() < 0.004
        assert np.abs(np.diff(got - frame, axis=0)).max() < 0.35 / (256 // side) * 4
    assert np.array_equal(back_project(frame, shrink(frame, 16)), frame)


def grid(pictures: list[np.ndarray], gap: int) -> Iterator[np.ndarray]:
    """Hold each picture for ``gap`` frames, as file_frames does, and the last for one."""
    for picture in pictures[:-1]:
        yield from [picture] * gap
    yield pictures[-1]


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("gap", [1, 2, 5, 30])
def test_frames_between_pictures_are_interpolated(side: int, gap: int, interpolator: Interpolator) -> None:
    pictures = [np.full((side, side, 3), v, np.uint8) for v in (0, 100, 200)]
    got = list(between(grid(pictures, gap), side, interpolator))
    assert len(got) == 2 * gap + 1
    assert [round(float(got[i * gap].mean()) * 255) for i in range(3)] == [0, 100, 200]
    if 1 < gap <= 25:
        straight = np.interp(np.arange(2 * gap + 1), [0, gap, 2 * gap], [0, 100, 200])
        assert [f.mean() * 255 for f in got] == pytest.approx(straight, abs=12 if (gap, side) == (5, 8) else 0.01)
    if gap > 25:
        assert got[29].mean() == 0


@pytest.mark.usefixtures("loaded")
def test_a_video_of_a_low_frame_rate_is_filled_to_25_fps(truth: list[np.ndarray], identity: Path, tmp_path: Path) -> None:
    for side, rate, frames in ((8, 5, 11), (16, 10, 6)):
        source = write(tmp_path / "lr.mkv", small(truth[:3], side), rate)
        assert upsample_file(source, identity, tmp_path / "out.mp4")["frames"] == frames
    assert len(list(file_frames(tmp_path / "out.mp4"))) == 6


def test_windows_repeat_the_ends() -> None:
    assert [[int(f) for f in w] for w in windows(iter([1, 2, 3, 4]))] == [  # type: ignore[list-item, call-overload]
        [1, 1, 1, 2, 3], [1, 1, 2, 3, 4], [1, 2, 3, 4, 4], [2, 3, 4, 4, 4],
    ]  # fmt: skip
    assert list(windows(iter([7]))) == [[7] * 5]  # type: ignore[list-item]


def test_the_spectrum_of_pieces_equals_that_of_the_whole() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 16000 * 25 + 77).astype(np.float32)
    got = speech_mel(sound[i : i + 7001] for i in range(0, len(sound), 7001))
    assert got is not None
    np.testing.assert_allclose(got, log_mel(sound), atol=1e-5)
    assert speech_mel(iter([])) is None


def test_pictures_of_the_face_are_cropped_to_a_square(tmp_path: Path) -> None:
    wide = np.zeros((100, 300, 4), np.uint8)
    wide[:, 100:200] = 200
    Image.fromarray(wide, "RGBA").save(tmp_path / "wide.png")
    got = load_identity(tmp_path / "wide.png")
    assert got.shape == (256, 256, 3)
    assert got.min() > 190


def refused(tmp_path: Path, source: Path, identity: Path, *words: str, scale: int | None = None) -> None:
    with pytest.raises((SourceError, OutputError)) as caught:
        upsample_file(source, identity, tmp_path / "out.mp4", scale)
    assert "\n" not in str(caught.value)
    assert all(w in str(caught.value) for w in words), caught.value
    assert not list(tmp_path.glob("out.mp4*"))


@pytest.mark.usefixtures("loaded")
def test_bad_input_gives_one_line_and_leaves_no_file(truth: list[np.ndarray], identity: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "good.mkv", small(truth[:1], 16))
    refused(tmp_path, write(tmp_path / "wide.mkv", [truth[0][:32, :64]]), identity, "64x32", "crop")
    refused(tmp_path, write(tmp_path / "tiny.mkv", small(truth[:1], 4)), identity, "4x4", "least")
    refused(tmp_path, good, identity, "16x16", "16 times, not 8", scale=8)
    refused(tmp_path, good, tmp_path / "none.png", "none.png", "no such file")
    refused(tmp_path, good, good, "not a picture")
    refused(tmp_path, tmp_path / "none.mp4", identity, "none.mp4")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nonsense" * 50)
    refused(tmp_path, broken, identity, "broken.mp4")
    with av.open(str(tmp_path / "sound.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        out.mux(stream.encode(frame))
    refused(tmp_path, tmp_path / "sound.wav", identity, "no video")
    with pytest.raises(OutputError, match="another file"):
        upsample_file(good, identity, good)
    with pytest.raises(OutputError, match="cannot write"):
        upsample_file(good, identity, tmp_path / "no" / "out.mp4")


def test_a_larger_video_is_shrunk_and_a_note_is_printed(truth: list[np.ndarray], identity: Path, tmp_path: Path) -> None:
    frames = [cv2.resize(f, (100, 100), interpolation=cv2.INTER_AREA) for f in truth[:2]]
    source = write(tmp_path / "lr.mkv", frames)
    arguments = ["upsample", str(source), "--identity", str(identity), "--out", str(tmp_path / "out.mp4"), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert '"side": 64' in done.stdout
    assert "100x100: shrunk to 64x64" in done.stderr
    assert CliRunner().invoke(app, [*arguments, "--scale", "5"]).exit_code == 2
    assert CliRunner().invoke(app, arguments[:2]).exit_code == 2


@pytest.mark.parametrize("orientation", [1, 2, 3, 6, 8])
def test_a_rotated_photo_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    """EXIF orientations as phones write them; the stored pixels are rotated the opposite way (CIPA DC-008, 4.6.4)."""
    y, x = np.mgrid[0:256, 0:256]
    upright = np.stack([x, y, np.where((x > 150) & (y < 60), 250, 30)], -1).astype(np.uint8)
    turns = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: np.rot90(a, 2), 6: np.rot90, 8: lambda a: np.rot90(a, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turns[orientation](upright))).save(tmp_path / "face.png", exif=exif)
    assert np.array_equal(load_identity(tmp_path / "face.png"), upright)


def test_the_sound_file_is_not_overwritten(truth: list[np.ndarray], identity: Path, tmp_path: Path) -> None:
    source, sound = write(tmp_path / "a.mkv", small(truth, 16)), write(tmp_path / "talk.mp4", truth[:5], sound=np.zeros(3200))
    before = sound.read_bytes()
    with pytest.raises(OutputError, match="is what is read"):
        upsample_file(source, identity, sound, audio=sound)
    assert sound.read_bytes() == before
