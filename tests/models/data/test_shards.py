"""Batches from shards: the same examples as from a cache, each clip decoded once and by one reader,
and the same batches after a resume."""

import io
from functools import partial
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("av")
import av

from models.data import shards as module
from models.data.batch import Batch
from models.data.cache import Cache
from models.data.sampler import Sampler, example
from models.data.shards import OneClip, ShardBatches, ShardFeed, cache_from_shards, find_shards, shuffled
from models.prepare.job import Outcome
from models.prepare.samples import Sample, read_samples
from models.prepare.store import Store
from models.runtime.mel import BANDS

FRAMES = (24, 15, 12, 30, 12, 18, 12)
PEOPLE = ("anna", "anna", "anna", "anna", "ben", "carl", "ben")
MAKE = partial(Sampler, side=64)


def clip(number: int) -> Sample:
    """Smoothly moving colours; only clips with an even number have sound."""
    rng, frames = np.random.default_rng(number), FRAMES[number]
    y, x = np.mgrid[0:256, 0:256] / 256
    phase, speed, file = rng.random(3) * 6, 0.2 + rng.random(3) * 0.2, io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for at in range(frames):
            waves = [np.sin(6 * x * (c + 1) + 4 * y + phase[c] + speed[c] * at) for c in range(3)]
            rgb = np.uint8(np.stack(waves, -1) * 100 + 128)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    mel = rng.uniform(-1, 1, ((4 * frames + 1) * (1 - number % 2), BANDS)).astype(np.float16)
    boxes = np.tile(rng.integers(0, 100, (frames, 4, 2)), 2) + np.array([0, 0, 40, 30])
    info = {"identity": PEOPLE[number], "source": f"{number}.mp4", "frames": frames, "speech": bool(len(mel))}
    points = rng.uniform(-0.9, 0.9, (54, 2)) + np.linspace(0, 0.1, frames)[:, None, None]
    return Sample(
        f"{PEOPLE[number]}-{number}", info, file.getvalue(), mel, boxes.astype(np.int16), points.astype(np.float16)
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven clips of three people in three shards, and one clip in a shard that is not finished."""
    out = tmp_path_factory.mktemp("shards")
    samples = [clip(i) for i in range(len(FRAMES))]
    for end, begin in ((3, 0), (5, 3), (7, 5)):
        with Store(out, {}) as store:
            for i in range(begin, end):
                store.add(Outcome(f"{i}.mp4", 1, "train", 1.0, [samples[i]]))
    store = Store(out, {})
    store.add(Outcome("late.mp4", 1, "train", 1.0, [samples[0]]))
    store.__exit__(KeyboardInterrupt, None, None)
    return out


@pytest.fixture
def batches(folder):
    """Creates readers of batches of two, with a buffer of six and about four pairs a clip."""
    return partial(ShardBatches, find_shards(folder, "train"), MAKE, 2, pairs=4, buffer=6)


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def test_finished_shards_are_found(folder, tmp_path):
    found = find_shards(folder, "train")
    assert [s.path.name for s in found] == [f"train-00000{i}.tar" for i in range(3)]
    assert [c for s in found for c in s.clips] == list(zip(PEOPLE, FRAMES, strict=True))
    assert len(list(folder.glob("*.part"))) == 1
    with pytest.raises(ValueError, match="no finished shard of the dev split"):
        find_shards(folder, "dev")
    with pytest.raises(FileNotFoundError):
        find_shards(tmp_path, "train")


def test_a_cache_made_of_shards_contains_their_clips(folder, tmp_path):
    paths = sorted(folder.glob("*.tar"))
    cache_from_shards(paths, tmp_path / "train")
    cache = Cache(tmp_path / "train")
    assert [(c.identity, c.frames) for c in cache.clips] == list(zip(PEOPLE, FRAMES, strict=True))
    assert [c.start for c in cache.clips] == np.cumsum([0, *FRAMES[:-1]]).tolist()
    assert len(cache.yuv) == len(cache.coarse) == len(cache.small) == len(cache.regions) == sum(FRAMES)
    samples = [s for path in paths for s in read_samples(path)]
    for sample, kept in zip(samples, cache.clips, strict=True):
        assert np.array_equal(cache.mel[kept.mel_start : kept.mel_start + kept.mel_frames], sample.mel)
        assert np.array_equal(cache.regions[kept.start : kept.start + kept.frames], sample.boxes)
        with av.open(io.BytesIO(sample.mp4)) as container:
            last = list(container.decode(video=0))[-1].to_ndarray(format="yuv420p")
        assert np.array_equal(cache.yuv[kept.start + kept.frames - 1], last)
    cache_from_shards(paths, tmp_path / "few", clips=3)
    assert [c.name for c in Cache(tmp_path / "few").clips] == ["anna-0.mp4", "anna-2.mp4", "ben-4.mp4"]


@pytest.mark.parametrize("side", [64, 256])
def test_an_example_equals_that_of_a_cache(folder, tmp_path, side):
    paths = sorted(folder.glob("*.tar"))[1:2]
    cache_from_shards(paths, tmp_path)
    cache = Cache(tmp_path)
    for sample, kept in zip(read_samples(paths[0]), cache.clips, strict=True):
        one = OneClip(sample)
        for key, frame, phase, step, size in ((0, 7, None, 1, 8), (9, 11, 3, 2, 8), (3, 0, 0, 4, 8), (1, 8, 2, 2, 32)):
            a = example(cache, kept, key, frame, side, phase, step, size)
            b = example(one, one.clips[0], key, frame, side, phase, step, size)
            assert all(np.array_equal(x, y) for x, y in zip(a[:6], b[:6], strict=True))
            assert np.array_equal(b[6], sample.points[[key, frame]])  # a cache gets its points from its own mesh


def test_batches_have_the_shapes_and_types_of_the_samplers(batches):
    batch = next(iter(batches()))
    wanted = {"keyframe": (2, 3, 64, 64), "truth": (2, 3, 64, 64), "pictures": (2, 5, 3, 8, 8), "mel": (2, 20, 80)}
    wanted |= {"detail": (2, 3, 64, 64), "boxes": (2, 4, 4), "shape": (2, 2, 54, 2)}
    assert {name: tuple(value.shape) for name, value in vars(batch).items()} == wanted
    assert all(value.dtype == torch.float32 for value in vars(batch).values())
    assert batch.truth.is_contiguous(memory_format=torch.channels_last)
    assert batch.pictures.is_contiguous()
    assert any(b.shape.any() for b in islice(iter(batches()), 5))  # the points of some samples are withheld
    small = torch.nn.functional.avg_pool2d(batch.truth, 8)
    assert (batch.pictures[:, 2] - small).abs().mean() < 0.1


def test_windows_of_the_paper_network_are_complete(folder):
    """Their truth and boxes have five rows for each row of the other fields."""
    from models.paper.sampler import WindowSampler

    batch = next(iter(ShardBatches(find_shards(folder, "train"), WindowSampler, 3, pairs=1, buffer=2)))
    assert batch.keyframe.shape == (3, 3, 256, 256)
    assert batch.truth.shape == (15, 3, 256, 256)
    assert batch.boxes.shape == (15, 4, 4)
    small = torch.nn.functional.avg_pool2d(batch.truth, 32).unflatten(0, (3, 5))
    assert (batch.pictures - small).abs().mean() < 0.1


def test_the_same_seed_rank_and_world_give_the_same_batches(batches):
    first = list(islice(batches(seed=1), 20))  # more than an epoch
    assert all(map(same, first, islice(batches(seed=1), 20)))
    assert not any(map(same, first, islice(batches(seed=2), 20)))
    assert not any(map(same, first, islice(batches(seed=1, rank=1, world=2), 20)))
    assert sum(same(a, b) for i, a in enumerate(first) for b in first[:i]) == 0


@pytest.mark.parametrize("done", [9, 30])
def test_a_resumed_run_continues_with_the_same_batches(batches, done):
    straight = list(islice(batches(), done + 3))[done:]
    assert all(map(same, straight, islice(batches(first=done), 3)))


def test_workers_take_turns_and_resume(batches):
    whole = ShardFeed(batches(), 2)
    straight = [whole.next() for _ in range(7)]
    resumed = ShardFeed(batches(first=3), 2)
    assert all(same(a, resumed.next()) for a in straight[3:])
    assert not same(straight[0], straight[1])


def test_each_clip_is_decoded_once_an_epoch_and_not_when_skipped(batches, monkeypatch):
    decoded = []
    real = module._decode
    monkeypatch.setattr(module, "_decode", lambda sample: decoded.append(sample.key) or real(sample))
    made = batches()
    count = sum(map(sum, made._pairs))
    examples = made._examples(0, 1, 0)
    got = list(islice(examples, count))
    assert len(got) == count
    assert len(decoded) == len(set(decoded)) == len(FRAMES)
    decoded.clear()
    next(made._examples(0, 1, count - 1))
    assert len(decoded) == 1


@pytest.mark.parametrize("readers", [1, 2, 3, 4, 7])
def test_every_clip_is_read_by_one_reader_each_epoch(batches, readers):
    made = batches()
    orders = []
    for epoch in (0, 1, 2):
        reads = [made._reads(epoch, reader, readers) for reader in range(readers)]
        assert all(reads)
        assert sorted(r for own in reads for r in own) == [(s, i) for s, n in enumerate((3, 2, 2)) for i in range(n)]
        orders.append(reads)
    assert orders[0] != orders[1] or orders[1] != orders[2]


def test_too_few_clips_are_refused(batches):
    with pytest.raises(ValueError, match="7 clips are too few for 8 readers"):
        next(iter(batches(rank=7, world=8)))


def test_people_with_much_footage_give_fewer_pairs_per_frame(batches):
    made = batches()
    pairs = [p for own in made._pairs for p in own]
    per_frame = [p / f for p, f in zip(pairs, FRAMES, strict=True)]
    assert pairs[0] > pairs[2]  # the longer of two clips of one person
    assert per_frame[5] > 1.4 * per_frame[0]  # Carl's 18 frames against Anna's 81
    assert np.mean(pairs) == pytest.approx(4, abs=0.5)


def test_shuffle_keeps_all_items_and_mixes_them():
    out = list(shuffled(iter(range(1000)), 50, np.random.default_rng(0)))
    assert sorted(out) == list(range(1000))
    late = np.arange(1000) - np.array(out)
    assert late.min() >= -50
    assert np.abs(late[:900]).mean() > 25


def test_damaged_clips_are_refused():
    sample = clip(4)
    for mp4, text in ((sample.mp4[:900], "cannot be decoded"), (clip(5).mp4, "has 18 pictures, not 12")):
        with pytest.raises(ValueError, match=text):
            OneClip(Sample(sample.key, sample.info, mp4, sample.mel, sample.boxes))
