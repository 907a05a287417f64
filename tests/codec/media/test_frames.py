"""Rotated, anamorphic, HDR and interlaced files are decoded to the pictures of their upright SDR original."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from codec.media.files import file_frames
from codec.media.frames import Upright, decoded, whole_frames
from codec.media.hdr import HLG, PQ, WIDE

WIDTH, HEIGHT = 128, 96
ONE = 1 << 16


def original(number: int = 0) -> np.ndarray:
    """A test picture without symmetry: a grey gradient, four corners of different colours, and a white
    square that moves to the right with ``number``."""
    rgb = np.repeat(np.linspace(40, 200, WIDTH)[None], HEIGHT, 0)[..., None].repeat(3, 2)
    for y, x, colour in ((0, 0, (200, 40, 40)), (0, 96, (40, 180, 60)), (64, 0, (50, 60, 210)), (64, 96, (220, 170, 130))):
        rgb[y : y + 32, x : x + 32] = colour
    rgb[40:56, 40 + 8 * number : 56 + 8 * number] = 235
    return np.uint8(rgb)


def write(path, pictures, codec="libx264", pixels="yuv444p", options=None, **settings) -> Path:
    """Encode RGB pictures nearly without loss at 25 FPS; ``settings`` go to the codec."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "4", "preset": "fast"} if options is None else options)
        stream.width, stream.height = pictures[0].shape[1::-1] if isinstance(pictures[0], np.ndarray) else (WIDTH, HEIGHT)
        stream.pix_fmt = pixels
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for i, picture in enumerate(pictures):
            frame = picture if isinstance(picture, av.VideoFrame) else av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Put a display matrix (a, b, c, d) into an MP4's track header (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += (36 if data[at] else 24) + 16
    a, b, c, d = (v * ONE for v in matrix)
    assert struct.unpack_from(">9i", data, at) == (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB."""
    assert a.shape == b.shape
    return float(10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean().clip(1e-6)))


@pytest.mark.parametrize(("matrix", "stored"), [
    ((0, 1, -1, 0), lambda rgb: np.rot90(rgb)),  # shown rotated by 90 degrees clockwise
    ((-1, 0, 0, -1), lambda rgb: np.rot90(rgb, 2)),
    ((0, -1, 1, 0), lambda rgb: np.rot90(rgb, -1)),
    ((-1, 0, 0, 1), lambda rgb: rgb[:, ::-1]),
    ((1, 0, 0, -1), lambda rgb: rgb[::-1]),
    ((0, 1, 1, 0), lambda rgb: rgb.transpose(1, 0, 2)),
    ((0, -1, -1, 0), lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2)),
])  # fmt: skip
def test_rotated_and_mirrored_videos_are_shown_upright(tmp_path, matrix, stored):
    path = write(tmp_path / "phone.mp4", [np.ascontiguousarray(stored(original(i))) for i in range(3)])
    shown = list(file_frames(turned(path, matrix)))
    assert len(shown) == 3
    for i, picture in enumerate(shown):
        assert picture.flags["C_CONTIGUOUS"]
        assert alike(picture, original(i)) > 34


def test_rotation_agrees_with_ffmpeg(tmp_path):
    """FFmpeg is an independent reference for the meaning of a display matrix."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="PyPI's imageio-ffmpeg is missing").get_ffmpeg_exe()
    import subprocess

    for number, matrix in enumerate([(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0)]):
        path = turned(write(tmp_path / f"{number}.mp4", [original()]), matrix)
        command = [ffmpeg, "-v", "error", "-i", str(path), "-f", "image2pipe", "-c:v", "png", "-frames:v", "1", "-"]
        png = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        wanted = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert alike(next(file_frames(path)), wanted) > 40


@pytest.mark.parametrize(("aspect", "stored", "size"), [
    (Fraction(2), (WIDTH // 2, HEIGHT), (WIDTH, HEIGHT)),
    (Fraction(1, 2), (WIDTH, HEIGHT // 2), (WIDTH, HEIGHT)),
    (Fraction(16, 15), (WIDTH, HEIGHT), (137, HEIGHT)),
    (Fraction(1000), (WIDTH, HEIGHT), (WIDTH, HEIGHT)),  # a damaged header
])  # fmt: skip
def test_non_square_pixels_become_square(tmp_path, aspect, stored, size):
    squeezed = cv2.resize(original(), stored, interpolation=cv2.INTER_AREA)
    path = write(tmp_path / "anamorphic.mp4", [squeezed], sample_aspect_ratio=aspect)
    shown = next(file_frames(path))
    assert shown.shape == (size[1], size[0], 3)
    wanted = cv2.resize(squeezed, size, interpolation=cv2.INTER_CUBIC)
    assert alike(shown, wanted) > 30
    assert alike(shown, cv2.resize(original(), size)) > 22


def test_non_square_pixels_of_a_rotated_video(tmp_path):
    """The aspect ratio is that of the stored pixels, before the rotation."""
    stored = cv2.resize(np.ascontiguousarray(np.rot90(original())), (HEIGHT, WIDTH // 2), interpolation=cv2.INTER_AREA)
    path = write(tmp_path / "both.mp4", [stored], sample_aspect_ratio=Fraction(1, 2))
    assert alike(next(file_frames(turned(path, (0, 1, -1, 0)))), original()) > 22


def _to_hdr(rgb: np.ndarray, transfer: int) -> av.VideoFrame:
    """Map SDR into HDR as BT.2408 does: white at 203 cd/m², BT.2020 colours, 16 bits a channel."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = (rgb / 255.0) ** 2.4 @ to_2020.T * 203.0
    if transfer == PQ:
        y = (light / 10_000) ** (2610 / 16384)
        signal = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    else:
        luminance = (light @ [0.2627, 0.6780, 0.0593])[..., None].clip(1e-9)
        scene = (light / 1000) * (luminance / 1000) ** (1 / 1.2 - 1)
        signal = np.where(
            scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        )
    return av.VideoFrame.from_ndarray(np.uint16(signal.clip(0, 1) * 65535 + 0.5), format="rgb48le")


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hdr_has_the_colours_of_its_sdr_original(tmp_path, transfer):
    path = tmp_path / "hdr.mp4"
    settings = {"color_trc": transfer, "color_primaries": WIDE, "colorspace": 9}
    deep = [_to_hdr(original(i), transfer).reformat(format="yuv444p10le", dst_colorspace=9) for i in range(3)]
    write(path, deep, "libx265", "yuv444p10le", {"crf": "4", "preset": "fast", "x265-params": "log-level=none"}, **settings)
    shown = list(file_frames(path))
    assert len(shown) == 3
    for i, picture in enumerate(shown):
        wanted = original(i).astype(float)
        # Below the knee, at seven tenths of white's luminance, colours are unchanged; above it they are compressed below white.
        below = (wanted.max(-1) < 255 * 0.7 ** (1 / 2.4)) & (cv2.Laplacian(original(i), cv2.CV_32F).max(-1) < 8)
        assert below.mean() > 0.5
        assert np.abs(picture.astype(float) - wanted)[below].mean() < 3
        white = picture[44:52, 44 + 8 * i : 52 + 8 * i].mean()
        assert 205 < white < 236


def test_hdr_without_tone_mapping_differs_from_its_sdr_original(tmp_path):
    """Shows that the test above can fail: without tone mapping, the pictures are far from their original."""
    flat = _to_hdr(original(), PQ).reformat(format="rgb24").to_ndarray()
    assert np.abs(flat.astype(float) - original()).mean() > 20


def test_wide_colours_without_hdr(tmp_path):
    wide = (original() / 255.0) ** 2.4 @ np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    ).T
    frame = av.VideoFrame.from_ndarray(np.uint8(wide ** (1 / 2.4) * 255 + 0.5), format="rgb24")
    pictures = [frame.reformat(format="yuv444p", dst_colorspace=9)]
    path = write(tmp_path / "wide.mp4", pictures, color_trc=14, color_primaries=WIDE, colorspace=9)
    assert alike(next(file_frames(path)), original()) > 34


@pytest.mark.parametrize(("codec", "options"), [
    ("mpeg2video", {"b": "20M", "flags": "+ildct+ilme", "top": "1"}),
    ("libx264", {"crf": "4", "preset": "fast", "flags": "+ildct", "x264-params": "tff=1"}),
])  # fmt: skip
def test_interlaced_pictures_have_no_combs(tmp_path, codec, options):
    """The two fields of each frame are 20 ms apart, as in an old camera: the moving square has comb-like edges."""
    pictures, combed = [original(i) for i in range(10)], []
    for earlier, later in zip(pictures[::2], pictures[1::2], strict=True):
        woven = earlier.copy()
        woven[1::2] = later[1::2]
        frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p", interpolation="POINT")
        combed.append(frame)
    path = write(tmp_path / "old.mkv", combed, codec, "yuv420p", options)
    with av.open(str(path)) as container:
        assert all(f.interlaced_frame for f in container.decode(video=0))
    shown = list(file_frames(path))
    assert len(shown) == 5

    def combs(rgb: np.ndarray) -> float:
        part = rgb[40:56].astype(float)
        return float(np.abs(part[1:-1] - (part[:-2] + part[2:]) / 2).mean())

    for i, picture in enumerate(shown):
        assert combs(picture) < 0.25 * combs(combed[i].to_ndarray(format="rgb24"))
        assert alike(picture[:, :32], original()[:, :32]) > 28  # what doesn't move is unchanged


def test_progressive_frames_are_not_changed():
    frames = [av.VideoFrame.from_ndarray(original(i), format="rgb24") for i in range(3)]
    assert [id(f) for f in whole_frames(frames)] == [id(f) for f in frames]


def test_size_equals_the_size_of_the_array(tmp_path):
    path = turned(write(tmp_path / "a.mp4", [original()], sample_aspect_ratio=Fraction(3, 2)), (0, 1, -1, 0))
    with av.open(str(path)) as container:
        upright = Upright(container.streams.video[0])
        frame = next(decoded(container))
        assert upright.size(frame) == upright.array(frame).shape[1::-1] == (HEIGHT, 192)


def test_without_a_stream_pixels_are_taken_as_square_and_sdr():
    frame = av.VideoFrame.from_ndarray(original(), format="rgb24")
    assert np.array_equal(Upright().array(frame), original())
