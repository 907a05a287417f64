"""Training batches from shards (:mod:`models.prepare`), read from front to back: for data too large
for a cache.

Decoding costs most, so each clip is decoded once an epoch and several (keyframe, target) pairs are
drawn from it, by the same sampler as from a cache; a shuffle buffer mixes the clips::

    shards, shuffled by (seed, epoch) ─► every n-th for this reader ─► clips ─► pairs of each ─► buffer ─► batches

All of it is a pure function of (seed, epoch, rank, worker). The order is known before anything is
read, so a resumed run continues where it was and decodes only what it still needs.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from codec.errors import system_reason
from codec.media.scaler import Scaler
from codec.pictures.sampling import sample as sample_8x8
from models.data.batch import Batch, MakeBatchSource
from models.data.cache import Cache, CacheWriter, as_bt601
from models.data.clip import COARSE, Clip
from models.data.regions import FILE as REGIONS
from models.prepare.samples import Sample, read_infos, read_samples
from models.prepare.store import MANIFEST, read_lines

MOST = 4
"""A clip of someone with little footage gives at most this many times the usual number of pairs."""


@dataclass(frozen=True)
class Shard:
    """A tar file, and for each of its clips, in order, (identity, frames)."""

    path: Path
    clips: tuple[tuple[str, int], ...]


def find_shards(folder: Path, split: str) -> list[Shard]:
    """The finished shards of ``split`` that ``folder/manifest.jsonl`` names.

    Raises ``FileNotFoundError`` where there is no manifest, ``ValueError`` where it names no finished shard.
    """
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"no such file: {folder / MANIFEST}")
    clips: dict[str, list[tuple[str, int]]] = {}
    for row in read_lines(folder / MANIFEST):
        if row["split"] == split:
            clips.setdefault(row["shard"], []).append((row["identity"], row["frames"]))
    shards = [Shard(folder / name, tuple(clips[name])) for name in sorted(clips) if (folder / name).is_file()]
    if not shards:
        raise ValueError(f"no finished shard of the {split} split in {folder}")
    return shards


class _Lazy:
    """Pictures of a clip, each made on first access: few are used, and an 8×8 one takes a millisecond."""

    def __init__(self, count: int, make: Callable[[int], np.ndarray]) -> None:
        self._count, self._make, self._made = count, make, dict[int, np.ndarray]()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            if at != slice(0, self._count):
                raise IndexError(f"{at} is not the whole clip")
            return self
        if np.ndim(at):
            return np.stack([self[int(i)] for i in at])
        if at not in self._made:
            self._made[at] = self._make(at)
        return self._made[at]


class OneClip(Cache):
    """A clip of a shard, as a cache of only this clip. Raises ``ValueError`` when not all its pictures
    can be decoded."""

    def __init__(self, sample: Sample) -> None:
        frames = _decode(sample)
        count = len(frames)
        self.clips = [Clip(sample.key, sample.info["identity"], 0, count, 0, len(sample.mel))]
        self.mel, self.regions = sample.mel, sample.boxes
        self.points = None if sample.points is None else sample.points.astype(np.float32)
        yuv, scaler = Scaler("yuv420p"), Scaler()
        self.yuv = _Lazy(count, lambda at: yuv.array(as_bt601(frames[at], scaler)))
        rgb = _Lazy(count, lambda at: scaler.array(frames[at]))
        self.coarse = _Lazy(count, lambda at: cv2.resize(rgb[at], (COARSE, COARSE), interpolation=cv2.INTER_AREA))
        self.small = _Lazy(count, lambda at: sample_8x8(rgb[at]))


def _decode(sample: Sample) -> list[av.VideoFrame]:
    try:
        with av.open(io.BytesIO(sample.mp4), "r") as container:
            container.streams.video[0].codec_context.thread_count = 1
            frames = list(container.decode(video=0))
    except av.error.FFmpegError as error:
        raise ValueError(f"clip {sample.key} cannot be decoded: {system_reason(error)}") from error
    if len(frames) != sample.info["frames"]:
        raise ValueError(f"clip {sample.key} has {len(frames)} pictures, not {sample.info['frames']}")
    return frames


Rows = list[Tensor]
"""One example: its rows of each of a batch's fields, in half precision, because many are held at a
time."""


def _split(batch: Batch, count: int) -> list[Rows]:
    parts = [getattr(batch, f.name).half().chunk(count) for f in fields(batch)]
    # Copies, because a view would keep all rows of its clip in memory.
    return [[part.clone() for part in row] for row in zip(*parts, strict=True)]


def _join(examples: list[Rows]) -> Batch:
    whole = [torch.cat(parts).float() for parts in zip(*examples, strict=True)]
    return Batch(*(x.contiguous(memory_format=torch.channels_last) if x.shape[1:2] == (3,) and x.ndim == 4 else x for x in whole))


def shuffled(stream: Iterator[Any], size: int, rng: np.random.Generator) -> Iterator[Any]:
    """``stream`` mixed by a buffer of ``size``: an item may come out after any number of others, on
    average ``size``."""
    held: list[Any] = []
    for item in stream:
        held.append(item)
        if len(held) > size:
            at = int(rng.integers(len(held)))
            held[at], held[-1] = held[-1], held[at]
            yield held.pop()
    for at in rng.permutation(len(held)):
        yield held[int(at)]


Read = tuple[int, int]
"""Number of a shard and of a clip in it."""


class ShardBatches(IterableDataset[Batch]):
    """Endless batches for one rank, from its batch number ``first`` on; each worker of a
    ``DataLoader`` makes its share.

    ``pairs``: how many are drawn from a clip on average: in proportion to its length and, as the
    sampler does, to one over the root of its person's whole footage. ``buffer``: examples held for
    mixing, 0.8 MB each at 256×256, 0.1 MB at 64×64. The same ``world`` and number of workers give
    the same batches. Raises ``ValueError`` for fewer clips than readers.
    """

    def __init__(
        self, shards: list[Shard], make: MakeBatchSource, batch: int, seed: int = 0, first: int = 0, rank: int = 0,
        world: int = 1, pairs: int = 8, buffer: int = 512,
    ) -> None:  # fmt: skip
        self.shards, self.make, self.batch, self.seed, self.first = shards, make, batch, seed, first
        self.rank, self.world, self.buffer = rank, world, buffer
        footage: dict[str, int] = {}
        for identity, frames in (c for s in shards for c in s.clips):
            footage[identity] = footage.get(identity, 0) + frames
        weights = [[frames / footage[identity] ** 0.5 for identity, frames in s.clips] for s in shards]
        unit = pairs / float(np.mean([w for ws in weights for w in ws]))
        self._pairs = [[min(max(1, round(w * unit)), MOST * pairs) for w in ws] for ws in weights]

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        # The loader takes worker 0's batch first, so worker 0 gets the lane to which the rank's batch ``first`` belongs.
        lane = (worker + self.first) % workers
        done = (self.first - lane + workers - 1) // workers
        examples = self._examples(self.rank * workers + lane, self.world * workers, done * self.batch)
        while True:
            yield _join([next(examples) for _ in range(self.batch)])

    def _reads(self, epoch: int, reader: int, readers: int) -> list[Read]:
        """The clips that are this reader's in ``epoch``, in the order in which they are read."""
        order = [int(i) for i in np.random.default_rng([self.seed, epoch]).permutation(len(self.shards))]
        if len(order) >= readers:
            return [(s, i) for s in order[reader::readers] for i in range(len(self.shards[s].clips))]
        # Fewer shards than readers: each reader reads all of them, and decodes every n-th clip.
        return [(s, i) for s in order for i in range(len(self.shards[s].clips))][reader::readers]

    def _examples(self, reader: int, readers: int, skip: int) -> Iterator[Rows]:
        epoch = 0
        while True:
            reads = self._reads(epoch, reader, readers)
            if not reads:
                raise ValueError(f"{sum(len(s.clips) for s in self.shards)} clips are too few for {readers} readers")
            count = sum(self._pairs[s][i] for s, i in reads)
            if skip < count:
                yield from self._epoch(epoch, reader, reads, skip)
            skip = max(0, skip - count)
            epoch += 1

    def _epoch(self, epoch: int, reader: int, reads: list[Read], skip: int) -> Iterator[Rows]:
        stream = ((read, j) for read in reads for j in range(self._pairs[read[0]][read[1]]))
        order = list(shuffled(stream, self.buffer, np.random.default_rng([self.seed, epoch, reader])))[skip:]
        needed = set(order)
        clips = {read for read, _ in needed}
        held: dict[tuple[Read, int], Rows] = {}
        at = 0
        for number, group in groupby(reads, lambda read: read[0]):
            wanted = [i for s, i in group if (s, i) in clips]
            for i, sample in zip(wanted, read_samples(self.shards[number].path, set(wanted)), strict=True):
                for j, example in enumerate(self._draw(sample, self._pairs[number][i], epoch)):
                    if ((number, i), j) in needed:
                        held[(number, i), j] = example
                while at < len(order) and order[at] in held:
                    yield held.pop(order[at])
                    at += 1

    def _draw(self, sample: Sample, count: int, epoch: int) -> list[Rows]:
        own = blake2b(f"{self.seed} {sample.key}".encode(), digest_size=8).digest()
        drawer = self.make(OneClip(sample), batch=count, seed=int.from_bytes(own))
        return _split(drawer.draw(epoch), count)


class ShardFeed:
    """Batches made ahead of time in ``workers`` processes; used instead of
    :class:`models.data.sampler.Prefetch`."""

    def __init__(self, batches: ShardBatches, workers: int) -> None:
        ahead = 2 if workers else None
        # Spawned, not forked: a process that has run ONNX Runtime or aiortc has threads that a fork would leave half alive.
        way = "spawn" if workers else None
        loader = DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=ahead, multiprocessing_context=way)
        self._batches = iter(loader)

    def next(self) -> Batch:
        return next(self._batches)

    def close(self) -> None:
        """End the processes."""
        del self._batches


def cache_from_shards(shards: list[Path], cache: Path, clips: int | None = None) -> None:
    """Write a split of a cache, as :func:`models.data.cache.prepare` does, with its ``regions.npy``,
    from shards of one split.

    For small sets, and for the dev split of large ones: a frame takes 111 KB. ``clips``: at most this
    many, spread evenly over all. Raises ``FileNotFoundError``, and ``ValueError`` for damaged shards.
    """
    infos = [(path, number, info) for path in shards for number, info in enumerate(read_infos(path))]
    if clips is not None and clips < len(infos):
        infos = [infos[i * len(infos) // clips] for i in range(clips)]
    writer, boxes = CacheWriter(cache, sum(info["frames"] for _, _, info in infos)), [np.zeros((0, 4, 4), np.int16)]
    for path, group in groupby(infos, lambda entry: entry[0]):
        for sample in read_samples(path, {number for _, number, _ in group}):
            one = OneClip(sample)
            (clip,) = one.clips
            for i in range(clip.frames):
                writer.frame(one.yuv[i], one.coarse[i], one.small[i])
            writer.end_clip(f"{clip.name}.mp4", clip.identity, sample.mel)
            boxes.append(sample.boxes)
    np.save(cache / REGIONS, np.concatenate(boxes))
    writer.close()


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Shards of one split to a cache: for small sets, and for evaluation.")
    parser.add_argument("shards", type=Path, help="folder with the prepared shards")
    parser.add_argument("cache", type=Path, help="folder of the split to write, such as RUN/cache/dev")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--clips", type=int, help="at most this many clips, spread evenly")
    given = parser.parse_args()
    cache_from_shards([s.path for s in find_shards(given.shards, given.split)], given.cache, given.clips)
