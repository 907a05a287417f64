"""Talking-face clips → a cache on disk that training reads at random without decoding video.

The cache holds, for each split, every frame three times: planar YUV 4:2:0 at 256×256 as the clip
stores it, RGB at 64×64, and the codec's own 8×8 YCbCr picture; and every clip's log-mel. All clips
are stored end to end in memory-mapped arrays; ``index.json`` lists where each one starts.
"""

import csv
import json
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from codec.errors import system_reason
from codec.media.scaler import Scaler
from codec.pictures.colour import ycbcr_to_rgb
from codec.pictures.sampling import sample
from models.data.clip import COARSE, SIDE, TICK, Clip
from models.data.mesh_points import load_points
from models.data.regions import load_regions
from models.face.shape_points import COUNT, from_mesh
from models.lipsync.sync_file import in_sync, read_scores
from models.runtime import mel as melmod
from models.whole_file import write_whole

COLUMNS = {"clip", "split", "identity", "frames", "audio"}
"""The columns that are read from ``clips.tsv``."""
BT601 = {2, 5, 6}
"""FFmpeg's numbers for BT.601, and for an unspecified colour space."""


def _sound(path: Path) -> np.ndarray:
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=melmod.RATE)
        parts = [p.to_ndarray()[0] for f in container.decode(audio=0) for p in resampler.resample(f)]
        parts += [p.to_ndarray()[0] for p in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _allocated(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new array on disk whose space is allocated at once: otherwise a full disk would kill the process while it writes."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


class CacheWriter:
    """Writes a split of the cache, clip after clip; :meth:`close` completes it."""

    def __init__(self, folder: Path, frames: int) -> None:
        """``frames``: those of all clips together, at least. Raises ``OSError`` if the disk has no room for them."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._full = _allocated(folder / "yuv256.npy", (frames, SIDE * 3 // 2, SIDE))
        self._coarse = _allocated(folder / "rgb64.npy", (frames, COARSE, COARSE, 3))
        self._small = _allocated(folder / "ycc8.npy", (frames, 8, 8, 3))
        self._clips: list[Clip] = []
        self._mels: list[np.ndarray] = []
        self._at = self._begun = self._mel_at = 0

    def frame(self, yuv: np.ndarray, coarse: np.ndarray, small: np.ndarray) -> None:
        """The clip's next frame: planar YUV (384, 256), RGB (64, 64, 3), YCbCr (8, 8, 3)."""
        self._full[self._at], self._coarse[self._at], self._small[self._at] = yuv, coarse, small
        self._at += 1

    def end_clip(self, name: str, identity: str, mel: np.ndarray) -> None:
        """The clip whose frames were just written is complete; ``mel`` (n, 80) is its log-mel."""
        self._clips.append(Clip(name, identity, self._begun, self._at - self._begun, self._mel_at, len(mel)))
        self._mels.append(mel)
        self._begun, self._mel_at = self._at, self._mel_at + len(mel)

    def close(self) -> None:
        """Write log-mels and the index: the cache is complete once that exists. Raises ``ValueError`` if it holds no clip."""
        empty = np.zeros((0, melmod.BANDS), np.float16)
        np.save(self._folder / "mel.npy", np.concatenate([empty, *(mel.astype(np.float16) for mel in self._mels)]))
        if not self._clips:
            raise ValueError(f"no clips for {self._folder}")
        text = json.dumps([clip.__dict__ for clip in self._clips])
        write_whole(self._folder / "index.json", lambda part: part.write_text(text))


def prepare(data: Path, cache: Path, split: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Decode every clip of ``split`` in ``data`` (with its ``clips.tsv``) into ``cache/split``;
    ``say`` is called with the progress and with clips that are shorter than listed; longer ones are cut.

    Raises ``ValueError`` where the list lacks a column or a clip can't be read.
    """
    with (data / "clips.tsv").open() as listed:
        reader = csv.DictReader(listed, delimiter="\t")
        if lacking := COLUMNS - set(reader.fieldnames or ()):
            raise ValueError(f"{data / 'clips.tsv'} lacks the columns {', '.join(sorted(lacking))}")
        rows = [r for r in reader if r["split"] == split]
    writer = CacheWriter(cache / split, sum(int(r["frames"]) for r in rows))
    for number, row in enumerate(rows):
        if number and number % 50 == 0:
            say(f"{number} of {len(rows)} clips")
        path, frames = data / split / row["clip"], int(row["frames"])
        try:
            count = _frames(path, writer, frames)
            spectrum = melmod.log_mel(_sound(path)) if int(row["audio"]) else np.zeros((0, melmod.BANDS), np.float32)
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise ValueError(f"{path} cannot be prepared: {system_reason(error)}") from error
        if count < frames:
            say(f"{row['clip']} has {count} pictures, not {frames}")
        writer.end_clip(row["clip"], row["identity"], spectrum)
    writer.close()


def as_bt601(frame: av.VideoFrame, to_rgb: Scaler) -> av.VideoFrame:
    """The frame in the colours that :meth:`Cache.rgb256` assumes: those of BT.601, which untagged clips have."""
    return frame if frame.colorspace in BT601 else av.VideoFrame.from_ndarray(to_rgb.array(frame), format="rgb24")


def _frames(path: Path, writer: CacheWriter, most: int) -> int:
    """Write a clip's first pictures, at most ``most``; returns how many were written."""
    rgb24, yuv, count = Scaler(), Scaler("yuv420p"), 0
    with av.open(str(path), metadata_errors="replace") as container:
        for frame in islice(container.decode(video=0), most):
            if (frame.width, frame.height) != (SIDE, SIDE):
                raise ValueError(f"it is {frame.width}x{frame.height}, not {SIDE}x{SIDE}")
            rgb = rgb24.array(frame)
            coarse = cv2.resize(rgb, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
            writer.frame(yuv.array(as_bt601(frame, rgb24)), coarse, sample(rgb))
            count += 1
    return count


class Cache:
    """A prepared split, opened for reading."""

    late: dict[str, int] | None = None
    """Frames by which each clip's own sound is late; clips missing here are silent. None: all sound is used as it is."""

    def __init__(self, folder: Path, in_memory: bool = True) -> None:
        self.clips = [Clip(**c) for c in json.loads((folder / "index.json").read_text())]
        self.yuv = np.load(folder / "yuv256.npy", mmap_mode="r")
        mode: Literal["r"] | None = None if in_memory else "r"
        self.coarse = np.load(folder / "rgb64.npy", mmap_mode=mode)
        self.small = np.load(folder / "ycc8.npy", mmap_mode=mode)
        self.mel = np.load(folder / "mel.npy")
        self.regions = load_regions(folder)
        found = load_points(folder)
        self.points = None if found is None else from_mesh(found)
        scores = read_scores(folder)
        self.late = None if scores is None else in_sync(scores)

    def boxes(self, at: int) -> np.ndarray:
        """Lips, nose, eyes and eyebrows of frame ``at``: (4, 4) int16, x0, y0, x1, y1; zeros where
        none are known."""
        return np.zeros((4, 4), np.int16) if self.regions is None else self.regions[at]

    def shape(self, clip: Clip, frame: int, phase: int | None = None) -> np.ndarray:
        """The face's points (54, 2) at a frame of ``clip``, zeros where they are not known; with
        ``phase`` only those at its ticks are used, and interpolated between."""
        if self.points is None:
            return np.zeros((COUNT, 2), np.float32)
        if phase is None:
            return self.points[clip.start + frame]
        left, part = divmod(frame - phase, TICK)
        a, b = (self.points[clip.start + min(max(phase + (left + i) * TICK, 0), clip.frames - 1)] for i in (0, 1))
        if not (a.any() and b.any()):
            return np.zeros((COUNT, 2), np.float32)
        return a + (b - a) * np.float32(part / TICK)

    def rgb256(self, at: int) -> np.ndarray:
        """Frame ``at`` as RGB (256, 256, 3) uint8."""
        return cv2.cvtColor(self.yuv[at], cv2.COLOR_YUV2RGB_I420)

    def speech(self, clip: Clip, frame: int, newest: int) -> np.ndarray:
        """The network's speech input (20, 80) for a frame of ``clip``; silence for a clip without sound.

        According to ``sync.json`` (:mod:`models.lipsync.trainer`), if there is one, late sound is
        moved back to its lips, and sound that is not the face's is replaced by silence.
        """
        late = 0 if self.late is None else self.late.get(clip.name)
        if late is None:
            return np.full((melmod.WINDOW_FRAMES, melmod.BANDS), -1.0, np.float32)
        mel = self.mel[clip.mel_start : clip.mel_start + clip.mel_frames].astype(np.float32)
        return melmod.window_at(mel, frame + late, newest + late)


def write_per_frame(
    folder: Path, file: str, like: np.ndarray, of_clip: Callable[[Cache, Clip], np.ndarray], what: str,
    say: Callable[[str], None] = lambda _: None,
) -> Path:  # fmt: skip
    """Write ``file`` into the prepared split ``folder``: for each of its frames an array like ``like``.

    ``of_clip`` returns a clip's, (frames, …); ``say`` is called with the progress, after ``what``. An
    interrupted run leaves no file that looks finished. Raises ``FileNotFoundError`` when the folder
    holds no cache.
    """
    cache, path = Cache(folder, in_memory=False), folder / file
    out = np.zeros((len(cache.yuv), *like.shape), like.dtype)
    for number, clip in enumerate(cache.clips):
        if clip.frames:
            out[clip.start : clip.start + clip.frames] = of_clip(cache, clip)
        if number % 50 == 49:
            say(f"{what}{number + 1} of {len(cache.clips)} clips")
    write_whole(path, lambda part: np.save(part, out))
    return path


def quantise(ycbcr: np.ndarray, step: int) -> np.ndarray:
    """Pictures (..., 3), YCbCr uint8, quantised at ``step``: as the decoder returns them."""
    return np.clip(np.rint(ycbcr.astype(np.float32) / step) * step, 0, 255).astype(np.uint8)


def window_pictures(small: np.ndarray, frame: int, phase: int | None, step: int) -> np.ndarray:
    """The five 8×8 pictures around ``frame`` of one clip: (5, 3, 8, 8) RGB in [0, 1].

    ``phase`` None gives the clip's own pictures at 25 FPS; otherwise only every fifth, from
    ``phase`` on, is known and those between are interpolated linearly, from which the receiver's
    interpolator starts. Uses nothing after the tick's end.
    """
    count = len(small)
    if phase is None:
        newest = min(count - 1, frame + 2)
        index = np.clip(np.arange(frame - 2, frame + 3), 0, newest)
        return ycbcr_to_rgb(quantise(small[index], step)).transpose(0, 3, 1, 2).astype(np.float32) / 255.0
    tick = -(-(frame - phase) // TICK)
    out = []
    for f in range(frame - 2, frame + 3):
        f = min(f, phase + tick * TICK)
        left, part = divmod(f - phase, TICK)
        pair = [min(max(phase + (left + i) * TICK, 0), count - 1) for i in (0, 1)]
        a, b = ycbcr_to_rgb(quantise(small[pair], step)).astype(np.float32) / 255.0
        out.append(a + (b - a) * (part / TICK))
    return np.stack(out).transpose(0, 3, 1, 2)
