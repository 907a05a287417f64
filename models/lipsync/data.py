"""Mouths, lips and sound for the lip-sync expert: cached once, then drawn as runs of frames and
augmented at random.

A run is several consecutive frames of one clip with all their sound: every window in it is in sync
with its own sound and out of sync with that of the others.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.cache import Cache
from models.data.clip import Clip
from models.data.find_regions import EVERY
from models.lipsync.syncnet import MEL_ROWS, MOUTH, mouth_box
from models.runtime.mel import BANDS

MOUTHS = "mouths.npy"
LIPS = "lips.npy"
ROOM = 7 / 6
"""A cached crop is this much wider and higher than what the expert sees, so that it can be jittered."""
STORED = (56, 84)
EARLY_ROWS = 3
"""Rows of mel before a window's first frame, so that a window of five has the rows
:meth:`Cache.speech` gives its middle."""

# Points of the face mesh. Each ring begins at a corner of the mouth and is symmetric: mirrored, point i becomes −i + 10.
_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_CHIN = 152
_RIGHT_EYE = 33
_LEFT_EYE = 263
_BRIDGE = 168
_UNDER_NOSE = 2
POINTS = len(_OUTER) + len(_INNER) + 1
_MIRRORED = np.array([*((10 - np.arange(20)) % 20), *((10 - np.arange(20)) % 20 + 20), 40])
LIPS_SCALE = 10.0
"""Lips move by about a tenth of the distance between the eyes."""


def lips_of(points: np.ndarray) -> np.ndarray:
    """Mesh points (468, 3) → lips and chin (41, 2) relative to the point under the nose, turned so that
    the eyes are level, in units of the eyes' distance."""
    eyes = points[_LEFT_EYE, :2] - points[_RIGHT_EYE, :2]
    across = float(np.linalg.norm(eyes)) + 1e-3
    x, y = eyes / across
    size = max(across, float(np.linalg.norm(points[_BRIDGE, :2] - points[_UNDER_NOSE, :2])))
    lips = points[[*_OUTER, *_INNER, _CHIN], :2] - points[_UNDER_NOSE, :2]
    return (lips @ np.array([[x, -y], [y, x]]) / size).astype(np.float32)


def prepare_mouths(folder: Path) -> None:
    """Write ``mouths.npy`` (total frames, 56, 84) uint8 luma and ``lips.npy`` (total frames, 41, 2)
    float16 into the split.

    Zeros where a clip has no sound or no face was found. Does nothing when both files exist. Needs
    ``regions.npy`` (:func:`models.data.find_regions.prepare_regions`), raises ``FileNotFoundError``
    without. About 10 ms a frame on one core.
    """
    if (folder / MOUTHS).exists() and (folder / LIPS).exists():
        return
    from models.face.detector import BlazeFace
    from models.face.landmarks import FaceMesh

    cache = Cache(folder, in_memory=False)
    if cache.regions is None:
        raise FileNotFoundError(f"no regions.npy in {folder}: python -m models.data.find_regions {folder}")
    boxes = mouth_box(torch.from_numpy(cache.regions)).numpy()
    parts = [folder / name.replace(".npy", ".part.npy") for name in (MOUTHS, LIPS)]
    mouths = np.lib.format.open_memmap(parts[0], "w+", np.uint8, (len(cache.yuv), *STORED))
    lips = np.zeros((len(cache.yuv), POINTS, 2), np.float16)
    detector, mesh = BlazeFace(), FaceMesh()
    for clip in filter(lambda c: has_audio(cache, c), cache.clips):
        face = None
        for at in range(clip.start, clip.start + clip.frames):
            if not cache.regions[at].any():
                continue
            rgb = np.asarray(cache.rgb256(at), np.uint8)
            mouths[at] = _crop(rgb, boxes[at])
            if face is None or (at - clip.start) % EVERY == 0:
                face = next(iter(detector.detect(rgb)), face)
            if face is not None:
                points, probability = mesh.points(rgb, face)
                lips[at] = lips_of(points) if probability >= 0.5 else 0
    mouths.flush()
    np.save(parts[1], lips)
    for part, name in zip(parts, (MOUTHS, LIPS), strict=True):
        part.replace(folder / name)


def has_audio(cache: Cache, clip: Clip) -> bool:
    """Whether a clip has sound that is not silence: many have a sound track of only zeros."""
    mel = cache.mel[clip.mel_start : clip.mel_start + clip.mel_frames].astype(np.float32)
    return clip.mel_frames > 0 and float(mel.std()) > 0.01


def _crop(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    x, y, half = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2:] - box[:2]) / 2 * ROOM
    scale = 2 * half / np.array(STORED[::-1])
    # Pixel centres: the crop's left edge, −0.5 in its own pixels, lies on the box's.
    matrix = np.array([[scale[0], 0, x - half[0] + scale[0] / 2 - 0.5], [0, scale[1], y - half[1] + scale[1] / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(luma, matrix, STORED[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


@dataclass
class Runs:
    """Mouths (N, L, 48, 72) luma in [0, 1], lips (N, L, 82) relative to their clip's median, log-mel (N, 4L, 80)."""

    mouths: Tensor
    lips: Tensor
    mel: Tensor


class SyncData:
    """The clips of a prepared split that are not silent, after :func:`prepare_mouths`."""

    def __init__(self, folder: Path) -> None:
        self.cache = Cache(folder, in_memory=False)
        self.mouths = np.load(folder / MOUTHS, mmap_mode="r")
        self.lips = np.load(folder / LIPS).astype(np.float32)
        self.faces = self.lips.any((1, 2))
        self.clips = [c for c in self.cache.clips if has_audio(self.cache, c)]
        for clip in self.clips:
            lips, found = (a[clip.start : clip.start + clip.frames] for a in (self.lips, self.faces))
            if found.any():  # the median shape is the person's; the deviations from it are speech
                lips -= np.median(lips[found], 0)
        self.lips *= LIPS_SCALE * self.faces[:, None, None]

    def starts(self, clip: Clip, length: int) -> np.ndarray:
        """Frames of ``clip`` at which a run of ``length`` with a face in every frame begins."""
        missing = np.cumsum(np.concatenate([[0], ~self.faces[clip.start : clip.start + clip.frames]]))
        return np.flatnonzero(missing[length:] == missing[:-length]) if clip.frames >= length else np.zeros(0, int)

    def sound(self, clip: Clip, start: int, length: int) -> np.ndarray:
        """The sound (4·length, 80) of a run; silence before the clip's first row, its last row held
        after the last."""
        rows = MEL_ROWS * start - EARLY_ROWS + np.arange(MEL_ROWS * length)
        mel = self.cache.mel[clip.mel_start + rows.clip(0, clip.mel_frames - 1)].astype(np.float32)
        mel[rows < 0] = -1.0
        return mel

    def plain(self, clip: Clip, mouths: bool = True) -> Runs:
        """A whole clip, not augmented, as a batch of one; without its mouths (N, 0, …) unless ``mouths``."""
        frames = slice(clip.start, clip.start + clip.frames)
        top, left = ((a - b) // 2 for a, b in zip(STORED, MOUTH, strict=True))
        seen = self.mouths[frames if mouths else slice(0), top : top + MOUTH[0], left : left + MOUTH[1]]
        lips, mel = self.lips[frames].reshape(1, clip.frames, -1), self.sound(clip, 0, clip.frames)[None]
        return Runs(torch.from_numpy(np.array(seen))[None].float() / 255, torch.from_numpy(lips), torch.from_numpy(mel))


class SyncSampler:
    """Draws ``batch`` augmented runs of ``length`` frames; a batch is a pure function of (seed, step)
    and of ``clips``.

    ``clips``: name of each clip to draw from and by how many frames its sound is late (negative:
    early), which is corrected. ``mouths`` False leaves the mouths out. Raises ``ValueError`` when no
    clip is long enough.
    """

    def __init__(
        self, data: SyncData, clips: dict[str, int], batch: int, length: int, seed: int = 0, mouths: bool = True
    ) -> None:  # fmt: skip
        self.data, self.late, self.batch, self.length, self.seed, self.with_mouths = data, clips, batch, length, seed, mouths
        people: dict[str, list[tuple[Clip, np.ndarray]]] = {}
        for clip in data.clips:
            if clip.name in clips and len(starts := data.starts(clip, length)):
                people.setdefault(clip.identity, []).append((clip, starts))
        if not people:
            raise ValueError(f"no clip with sound and a face in {length} frames in a row")
        self.people = list(people.values())
        # The square root, so that people with little footage are drawn often enough.
        weight = np.sqrt([sum(c.frames for c, _ in p) for p in self.people])
        self.weight = weight / weight.sum()

    def draw(self, step: int) -> Runs:
        """The batch of training step ``step``."""
        rng = np.random.default_rng([self.seed, step])
        mouths, lips, mels = [], [], []
        for _ in range(self.batch):
            person = self.people[rng.choice(len(self.people), p=self.weight)]
            frames = np.array([c.frames for c, _ in person], float)
            clip, starts = person[rng.choice(len(person), p=frames / frames.sum())]
            start = int(rng.choice(starts))
            run = slice(clip.start + start, clip.start + start + self.length)
            mouths.append(self.data.mouths[run if self.with_mouths else slice(0)])
            lips.append(self.data.lips[run])
            mels.append(vary_sound(self.data.sound(clip, start + self.late[clip.name], self.length), rng))
        place = Placement.draw(self.batch, rng)
        seen = torch.from_numpy(np.stack(mouths)).float() / 255
        seen = vary_mouths(seen, place, rng) if self.with_mouths else seen
        return Runs(seen, torch.from_numpy(move_lips(np.stack(lips), place)), torch.from_numpy(np.stack(mels)))


@dataclass
class Placement:
    """How each run's picture is cut out: ``turn`` in radians, ``scale`` as a share of the stored crop,
    ``mirror`` −1 if mirrored, else 1, each (N,); ``shift`` (N, 2)."""

    turn: np.ndarray
    scale: np.ndarray
    mirror: np.ndarray
    shift: np.ndarray

    @classmethod
    def draw(cls, n: int, rng: np.random.Generator) -> "Placement":
        turn, scale = rng.uniform(-0.1, 0.1, n), rng.uniform(0.87, 1.12, n) / ROOM
        return cls(turn, scale, np.where(rng.random(n) < 0.5, -1.0, 1.0), rng.uniform(-0.1, 0.1, (n, 2)))


def move_lips(lips: np.ndarray, place: Placement) -> np.ndarray:
    """Lips (N, L, 41, 2) → (N, L, 82) as they are seen in crops cut out by ``place``."""
    out = np.where(place.mirror[:, None, None, None] < 0, lips[:, :, _MIRRORED], lips)
    cos, sin, zoom = np.cos(place.turn), np.sin(place.turn), 1 / (ROOM * place.scale)
    matrix = zoom[:, None, None] * np.array([[place.mirror * cos, place.mirror * sin], [-sin, cos]]).transpose(2, 0, 1)
    return np.einsum("nij,nlpj->nlpi", matrix, out).reshape(*lips.shape[:2], -1).astype(np.float32)


def vary_mouths(stored: Tensor, place: Placement, rng: np.random.Generator) -> Tensor:
    """Cached crops (N, L, 56, 84) in [0, 1] → (N, L, 48, 72), cut out by ``place``; light and blur are
    changed for a whole run alike."""
    n, length = stored.shape[:2]
    cos, sin, shape = place.scale * np.cos(place.turn), place.scale * np.sin(place.turn), STORED[1] / STORED[0]
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = place.mirror * cos, -sin / shape
    theta[:, 1, 0], theta[:, 1, 1] = place.mirror * sin * shape, cos
    theta[:, :, 2] = place.shift
    grid = F.affine_grid(torch.from_numpy(theta), [n, 1, *MOUTH], align_corners=False)
    out = F.grid_sample(stored, grid, padding_mode="border", align_corners=False)
    # Generated frames are softer than real ones: sharpness must not give them away.
    for i in np.flatnonzero(rng.random(n) < 0.3):
        side = (int(rng.integers(20, 40)), int(rng.integers(30, 60)))
        out[i] = F.interpolate(F.interpolate(out[i : i + 1], side, mode="area"), MOUTH, mode="bilinear")[0]
    # Gamma, gain, offset and noise.
    ranges = ((0.7, 1.4), (0.7, 1.2), (-0.1, 0.1), (0.0, 0.03))
    gamma, gain, offset, strength = (torch.from_numpy(rng.uniform(*r, (n, 1, 1, 1)).astype(np.float32)) for r in ranges)
    out = (out.clamp(0, 1) ** gamma * gain + offset).clamp(0, 1)
    noise = torch.from_numpy(rng.standard_normal((n, length, *MOUTH), np.float32))
    return (out + noise * strength).clamp(0, 1)


def vary_sound(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log-mel (R, 80) with its volume, microphone response and pitch changed, noise added, some bands removed."""
    bands = np.arange(BANDS)
    shift = int(rng.integers(-3, 4))
    curve = np.interp(bands, np.linspace(0, BANDS - 1, 5), rng.uniform(-0.15, 0.15, 5)) + rng.uniform(-0.2, 0.2)
    mel = mel[:, (bands + shift).clip(0, BANDS - 1)] + curve.astype(np.float32)
    if rng.random() < 0.5:  # a steady noise under the voice
        mel = np.maximum(mel, rng.uniform(-1.0, -0.3) + 0.1 * rng.standard_normal(mel.shape, np.float32))
    if rng.random() < 0.5:
        low, count = int(rng.integers(0, BANDS)), int(rng.integers(4, 16))
        mel[:, low : low + count] = -1.0
    return np.clip(mel, -1.0, 2.0).astype(np.float32)
