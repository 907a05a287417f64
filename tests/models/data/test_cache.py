"""The pictures that a frame is rendered from: which are known, how they are interpolated, what
happens at the edges."""

import json
import shutil

import numpy as np
import pytest

av = pytest.importorskip("av")

from models.data.cache import Cache, CacheWriter, prepare, quantise, window_pictures


@pytest.fixture
def ramp():
    """Frames of plain grey: frame f has luma 2 f."""
    small = np.full((60, 8, 8, 3), 128, np.uint8)
    small[..., 0] = 2 * np.arange(60)[:, None, None]
    return small


def grey(pictures: np.ndarray) -> list[float]:
    return (pictures[:, 0, 0, 0] * 255).round(3).tolist()


def test_shape_and_range(ramp):
    for phase in (None, 0, 3):
        out = window_pictures(ramp, 20, phase, 2)
        assert out.shape == (5, 3, 8, 8)
        assert out.dtype == np.float32
        assert 0 <= out.min() <= out.max() <= 1


def test_all_frames_known(ramp):
    assert grey(window_pictures(ramp, 20, None, 1)) == [36, 38, 40, 42, 44]


def test_pictures_between_the_sent_ones_are_interpolated(ramp):
    small = ramp.copy()
    small[21:25, ..., 0] = 255  # frames between pictures aren't sent, so their contents must not matter
    assert grey(window_pictures(small, 22, 0, 1)) == pytest.approx([40, 42, 44, 46, 48])


@pytest.mark.parametrize("phase", range(5))
@pytest.mark.parametrize("frame", range(20, 30))
def test_pictures_after_the_tick_are_not_used(ramp, frame, phase):
    end = next(f for f in range(frame, frame + 5) if f % 5 == phase)
    changed = ramp.copy()
    changed[end + 1 :] = 0
    assert np.array_equal(window_pictures(changed, frame, phase, 1), window_pictures(ramp, frame, phase, 1))
    wanted = [2 * min(f, end) for f in range(frame - 2, frame + 3)]
    assert grey(window_pictures(ramp, frame, phase, 1)) == pytest.approx(wanted)


def test_pictures_are_repeated_at_the_edges(ramp):
    assert grey(window_pictures(ramp, 0, None, 1)) == [0, 0, 0, 2, 4]
    assert grey(window_pictures(ramp, 59, None, 1)) == [114, 116, 118, 118, 118]
    assert grey(window_pictures(ramp, 0, 0, 1)) == [0] * 5
    # The clip ends inside a tick: its last frame, 57, replaces the picture at the tick's end, 60.
    assert grey(window_pictures(ramp[:58], 57, 0, 1))[-1] == pytest.approx(110 + (114 - 110) * 4 / 5)


def test_single_frame_clip(ramp):
    for phase in (None, 0, 4):
        assert grey(window_pictures(ramp[7:8], 0, phase, 1)) == [14] * 5


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_quantise(step):
    values = np.arange(256, dtype=np.uint8)
    out = quantise(values, step).astype(int)
    assert np.abs(out - values).max() <= step // 2 + (1 if 255 % step else 0)
    assert len(np.unique(out)) <= 256 // step + 2
    assert step > 1 or np.array_equal(out, values)


def test_the_cache_returns_what_was_written(tiny_cache):
    cache = Cache(tiny_cache / "train")
    assert [c.frames for c in cache.clips] == [30, 30, 30]
    near = np.abs(cache.rgb256(31)[::4, ::4].astype(int) - cache.coarse[31].astype(int))
    assert cache.rgb256(31).shape == (256, 256, 3)
    assert near.mean() < 20
    clip = cache.clips[1]
    assert np.array_equal(cache.speech(clip, 10, 12)[0], cache.mel[clip.mel_start + 29].astype(np.float32))
    assert np.array_equal(cache.small, Cache(tiny_cache / "train", in_memory=False).small)


def test_sound_is_shifted_to_match_the_lips(tiny_cache, tmp_path):
    folder = tmp_path / "train"
    shutil.copytree(tiny_cache / "train", folder)
    plain = Cache(folder)
    scores = {"0.mp4": {"confidence": 0.2, "offset": 3}, "1.mp4": {"confidence": 0.01, "offset": 0}}
    (folder / "sync.json").write_text(json.dumps(scores))
    moved = Cache(folder)
    own, foreign, unknown = moved.clips
    assert np.array_equal(moved.speech(own, 10, 12), plain.speech(own, 13, 15))
    for clip in (foreign, unknown):
        assert (moved.speech(clip, 10, 12) == -1).all()
        assert (plain.speech(clip, 10, 12) != -1).any()


def listed(folder, *rows, columns="clip\tsplit\tidentity\tframes\tseconds\taudio"):
    """Write a folder of training clips from rows (name, actual frames, listed frames, side). Each clip has its own grey."""
    (folder / "train").mkdir(parents=True)
    lines = [columns]
    for at, (name, frames, told, side) in enumerate(rows):
        with av.open(str(folder / "train" / name), "w") as out:
            stream = out.add_stream("libx264", rate=25)
            stream.width = stream.height = side
            for _ in range(frames):
                grey_picture = np.full((side, side, 3), 40 + 60 * at, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(grey_picture, format="rgb24")))
            out.mux(stream.encode(None))
        lines.append(f"{name}\ttrain\t{name}\t{told}\t1\t0")
    (folder / "clips.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_clip_longer_than_listed_does_not_run_into_the_next(tmp_path):
    data, said = listed(tmp_path / "data", ("a.mp4", 20, 10, 256), ("b.mp4", 6, 10, 256), ("c.mp4", 10, 10, 256)), []
    prepare(data, tmp_path / "cache", "train", said.append)
    cache = Cache(tmp_path / "cache" / "train")
    assert [(c.name, c.start, c.frames) for c in cache.clips] == [("a.mp4", 0, 10), ("b.mp4", 10, 6), ("c.mp4", 16, 10)]
    assert said == ["b.mp4 has 6 pictures, not 10"]
    for clip, level in zip(cache.clips, (40, 100, 160), strict=True):
        assert abs(cache.rgb256(clip.start + clip.frames - 1).mean() - level) < 4


def test_errors_name_what_cannot_be_prepared(tmp_path):
    with pytest.raises(ValueError, match=r"big\.mp4 cannot be prepared: it is 320x320, not 256x256"):
        prepare(listed(tmp_path / "a", ("big.mp4", 2, 2, 320)), tmp_path / "cache", "train")
    with pytest.raises(ValueError, match=r"clips\.tsv lacks the columns audio, frames"):
        prepare(listed(tmp_path / "b", columns="clip\tsplit\tidentity"), tmp_path / "cache", "train")
    with pytest.raises(ValueError, match="no clips for"):
        prepare(listed(tmp_path / "c"), tmp_path / "cache", "train")
    assert not (tmp_path / "cache" / "train" / "index.json").exists()


def test_frame_and_small_pictures_of_a_clip_tagged_bt709_have_the_same_colours(tmp_path):
    data = listed(tmp_path / "data")
    with av.open(str(data / "train" / "hd.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1", "x264-params": "colormatrix=bt709"})
        stream.width = stream.height = 256
        rgb = av.VideoFrame.from_ndarray(np.full((256, 256, 3), (200, 60, 60), np.uint8), format="rgb24")
        for frame in (rgb.reformat(format="yuv420p", dst_colorspace="ITU709") for _ in range(3)):
            frame.pts = None
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with (data / "clips.tsv").open("a") as listing:
        listing.write("hd.mp4\ttrain\thd\t3\t1\t0\n")
    prepare(data, tmp_path / "cache", "train")
    cache = Cache(tmp_path / "cache" / "train")
    assert np.abs(cache.rgb256(0).mean((0, 1)) - (200, 60, 60)).max() < 4
    assert np.abs(cache.coarse[0].mean((0, 1)) - (200, 60, 60)).max() < 4


def test_a_full_disk_raises_an_error_and_does_not_kill_the_process(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        CacheWriter(tmp_path, 3)
