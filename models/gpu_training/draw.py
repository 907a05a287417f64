"""Training batches made on the GPU: what :class:`models.data.sampler.Sampler` draws one by one is drawn
at once, with deformed faces and some keyframes of other clips."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.augment import draw_light, lit_by
from models.data.batch import WINDOW, Batch
from models.data.clip import SIDE, TICK
from models.data.shares import DETAIL_SHARE, MOVED_SHARE, SILENCED_SHARE, WITHHELD_SHARE
from models.face.shape_points import EYE_CORNERS, LIDS_ABOVE, LIDS_BELOW, MESH, OUTER_LIPS
from models.gpu_training.deform import Strength, draw_affine, draw_deformation, grid, index, on, take
from models.gpu_training.footage import Footage
from models.runtime.mel import LOOKAHEAD_FRAMES, SILENCE, WINDOW_FRAMES

DEFORMED_SHARE = 0.5
FOREIGN_SHARE = 0.04
"""Share of samples whose keyframe is of another clip: of the same person where there is one, else of anyone."""
FAR_SHARE = 0.4
"""Share of samples whose keyframe is the less similar of two, by the points: large motion is rare in the clips."""
MOVED = Strength(turn=0.15, size=0.1, aspect=0.0, shift=0.12, smooth=0.0)
_LIPS = tuple(MESH.index(p) for p in OUTER_LIPS)
_EYES = tuple(MESH.index(p) for p in (*LIDS_ABOVE, *LIDS_BELOW, *EYE_CORNERS))


@dataclass
class Wanted:
    """What a batch is made of, on the CPU; each (N,).

    ``key``, ``frame``: rows of the footage. ``clip``: the target's. ``phase``: the first tick's frame offset, -1
    for a picture at every frame; ``step``: the quantiser's step; ``size``: side of the picture that is sent;
    ``shape_phase``: -1 for points of every frame.
    """

    clip: np.ndarray
    key: np.ndarray
    frame: np.ndarray
    phase: np.ndarray
    step: np.ndarray
    size: np.ndarray
    shape_phase: np.ndarray


def ticks_around(frame: np.ndarray, phase: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For frames (...,) of clips that end with frame ``last``: the ticks before and after each, and how
    far it is from one to the other, in [0, 1); with ``phase`` -1 the frame itself."""
    left, part = np.divmod(frame - phase, TICK)
    every = phase < 0
    a, b = (np.clip(np.where(every, frame, phase + (left + i) * TICK), 0, last) for i in (0, 1))
    return a, b, np.where(every, 0.0, part / TICK)


def window(frame: np.ndarray, phase: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The five pictures around each frame (N,), as :func:`models.data.cache.window_pictures` makes them:
    ticks before and after and the share between, (N, 5) each, and the newest frame that is known, (N,)."""
    tick_end = phase + -(-(frame - phase) // TICK) * TICK
    newest = np.where(phase < 0, np.minimum(last, frame + 2), tick_end)
    wanted = np.minimum(frame[:, None] + np.arange(-2, 3), newest[:, None])
    wanted = np.where(phase[:, None] < 0, wanted.clip(0), wanted)
    return (*ticks_around(wanted, phase[:, None], last[:, None]), np.where(phase < 0, frame + 2, tick_end))


def to_ycbcr(rgb: Tensor) -> Tensor:
    """RGB (..., 3, H, W), integers 0..255 as float → YCbCr in the same form, as the codec computes it."""
    r, g, b = (x.long() for x in rgb.unbind(-3))
    y = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    cb = ((-11059 * r - 21709 * g + 32768 * b + 32768) >> 16) + 128
    cr = ((32768 * r - 27439 * g - 5329 * b + 32768) >> 16) + 128
    return torch.stack([y, cb, cr], -3).clamp(0, 255).float()


def to_rgb(ycbcr: Tensor) -> Tensor:
    """Inverse of :func:`to_ycbcr`."""
    y, cb, cr = (x.long() for x in ycbcr.unbind(-3))
    y, cb, cr = y << 16, cb - 128, cr - 128
    r, g, b = (y + 91881 * cr + 32768) >> 16, (y - 22554 * cb - 46802 * cr + 32768) >> 16, (y + 116130 * cb + 32768) >> 16
    return torch.stack([r, g, b], -3).clamp(0, 255).float()


def sent(frames: Tensor, size: int, step: Tensor) -> Tensor:
    """Frames (N, T, 3, 64, 64) in [0, 1] → the pictures received from them, of ``size``, quantised by ``step`` (N,)."""
    n, t = frames.shape[:2]
    small = F.avg_pool2d(frames.flatten(0, 1), 64 // size).mul(255).round().unflatten(0, (n, t))
    by = step.reshape(-1, 1, 1, 1, 1)
    return to_rgb((torch.round(to_ycbcr(small) / by) * by).clamp(0, 255)) / 255


def boxes_of(points: Tensor) -> Tensor:
    """Points (N, 54, 2) → boxes (N, 4, 4) of lips and eyes as :class:`models.data.batch.Batch` has
    them, the others zero."""
    out = points.new_zeros(len(points), 4, 4)
    known = (points.abs().amax((1, 2)) > 0)[:, None]
    for row, members, share in ((0, _LIPS, 0.25), (2, _EYES, 0.15)):
        places = (points[:, index(points.device, members)] + 1) * (SIDE / 2)
        low, high = places.amin(1), places.amax(1)
        margin = share * (high - low).prod(1, keepdim=True).clamp_min(1).sqrt()
        out[:, row] = torch.cat([low - margin, high + margin], 1).clamp(0, SIDE) * known
    return out


class GpuSampler:
    """Batches of ``footage``, on its device."""

    def __init__(self, footage: Footage, seed: int = 0) -> None:
        self.footage, self.rng = footage, np.random.default_rng(seed)
        clips = footage.clips
        self.start, self.frames, self.mel_start, self.mel_frames = (
            np.array([getattr(c, name) for c in clips]) for name in ("start", "frames", "mel_start", "mel_frames")
        )
        self.late = np.array([0 if c.late is None else c.late for c in clips])
        self.heard = np.array([c.late is not None and c.mel_frames > 0 for c in clips])
        people = {c.identity for c in clips}
        self.of_person = {p: np.array([i for i, c in enumerate(clips) if c.identity == p]) for p in people}
        footage_of = {p: self.frames[at].sum() for p, at in self.of_person.items()}
        # People are weighted by the root of their footage, their clips by length.
        weight = np.array([c.frames / footage_of[c.identity] ** 0.5 if c.frames >= 10 else 0.0 for c in clips])
        self.weight = weight / weight.sum()
        self.difficulty = np.ones(len(clips))
        self.known_points = footage.points.cpu().numpy()

    def _keys(self, clip: np.ndarray, frame: np.ndarray) -> np.ndarray:
        rng, n = self.rng, len(clip)
        own = self.start[clip, None] + rng.integers(0, self.frames[clip, None], (n, 2))
        apart = [np.abs(self.known_points[own[:, i]] - self.known_points[frame]).mean((1, 2)) for i in (0, 1)]
        far = np.where(apart[0] > apart[1], own[:, 0], own[:, 1])
        key = np.where(rng.random(n) < FAR_SHARE, far, own[:, 0])
        for i in np.flatnonzero(rng.random(n) < FOREIGN_SHARE):
            others = self.of_person[self.footage.clips[clip[i]].identity]
            other = rng.choice(others) if len(others) > 1 else rng.integers(len(self.start))
            key[i] = self.start[other] + rng.integers(self.frames[other])
        return key

    def draw_wanted(self, count: int) -> Wanted:
        rng = self.rng
        weight = self.weight * self.difficulty
        clip = rng.choice(len(weight), count, p=weight / weight.sum())
        frame = self.start[clip] + rng.integers(0, self.frames[clip])
        phase = np.where(rng.random(count) < 0.25, -1, rng.integers(0, TICK, count))
        larger = rng.choice([16, 32, 64], count, p=[0.5, 0.3, 0.2])
        size = np.where(rng.random(count) < DETAIL_SHARE, larger, 8)
        shape_phase = np.where(rng.random(count) < 0.4, phase, -1)
        return Wanted(clip, self._keys(clip, frame), frame, phase, rng.integers(1, 5, count), size, shape_phase)

    def _device(self, array: np.ndarray) -> Tensor:
        return on(self.footage.device, array)

    def sounds(self, clip: np.ndarray, frame: np.ndarray, newest: np.ndarray) -> Tensor:
        """Speech (N, 20, 80) for frames (N,) counted from their clip's first, known up to ``newest``."""
        row, last = (frame + self.late[clip]) * 4, (newest + self.late[clip]) * 4
        rows = row[:, None] + np.arange(LOOKAHEAD_FRAMES + 1 - WINDOW_FRAMES, LOOKAHEAD_FRAMES + 1)
        last = np.minimum(last, self.mel_frames[clip] - 1)
        silent = (rows < 0) | ~self.heard[clip, None] | (last[:, None] < 0)
        at = self.mel_start[clip, None] + np.clip(rows, 0, last.clip(0)[:, None])
        at = np.where(silent, 0, at)
        if not len(self.footage.mel):
            return torch.full((*rows.shape, 80), SILENCE, device=self.footage.device)
        return self.footage.mel[self._device(at)].masked_fill(self._device(silent)[..., None], SILENCE)

    def points(self, wanted: Wanted) -> Tensor:
        """The face's points (N, 2, 54, 2) in keyframe and target; where either is unknown both are zero."""
        begin, last = self.start[wanted.clip], self.frames[wanted.clip] - 1
        a, b, part = ticks_around(wanted.frame - begin, wanted.shape_phase, last)
        points = self.footage.points
        left, right = points[self._device(a + begin)], points[self._device(b + begin)]
        now = left + (right - left) * self._device(part)[:, None, None]
        both = torch.stack([points[self._device(wanted.key)], now], 1)
        known = (both.abs().amax((2, 3)) > 0).all(1) & (left.abs().amax((1, 2)) > 0) & (right.abs().amax((1, 2)) > 0)
        return both * known[:, None, None, None]

    def _coded(self, shape: Tensor) -> Tensor:
        """Points as a decoder may have them: exact, or with coding errors, or not at all."""
        rng, n = self.rng, len(shape)
        share = rng.random(n)
        count, step = rng.choice([8, 12, 16, 24], n), rng.uniform(2, 10, n) / 128
        rows, by = self.footage.basis, self._device(step)[:, None]
        moved = (shape[:, 1] - shape[:, 0]).flatten(1)
        within = torch.arange(len(rows), device=shape.device) < self._device(count)[:, None]
        kept = torch.round(moved @ rows.T / by) * by * within
        coded = torch.stack([shape[:, 0], shape[:, 0] + (kept @ rows).unflatten(1, (-1, 2))], 1)
        shape = torch.where(self._device(share > 0.7)[:, None, None, None], shape, coded)
        return shape * self._device(share >= WITHHELD_SHARE)[:, None, None, None]

    def _frames(self, rows: np.ndarray) -> Tensor:
        return self.footage.full[self._device(rows)].permute(0, 3, 1, 2).float() / 255

    @torch.no_grad()
    def batch(self, wanted: Wanted, plain: bool = False) -> Batch:
        """The batch of ``wanted``. ``plain``: neither deformed nor moved nor relit, for evaluation."""
        n, rng, device = len(wanted.clip), self.rng, self.footage.device
        begin, last = self.start[wanted.clip], self.frames[wanted.clip] - 1
        a, b, part, newest = window(wanted.frame - begin, wanted.phase, last)
        deformation = draw_deformation(rng, n, 0.0 if plain else DEFORMED_SHARE, 0.0 if plain else 0.5, Strength(), device)
        rows = self._device(np.concatenate([a, b], 1) + begin[:, None])
        small = self.footage.coarse[rows].float() / 255  # (N, 10, 3, 64, 64)
        small = take(small.flatten(1, 2), deformation.source(grid(64, n, device))).unflatten(1, (2 * WINDOW, 3))
        share = self._device(part)[:, :, None, None, None]
        step = self._device(wanted.step).float()
        arrived = sent(small, 8, step)
        pictures = arrived[:, :WINDOW] + (arrived[:, WINDOW:] - arrived[:, :WINDOW]) * share
        detail = self._detail(small[:, 2::WINDOW], share[:, 2], step, wanted.size, pictures[:, 2])

        truth = take(self._frames(wanted.frame), deformation.source(grid(SIDE, n, device)))
        moved = draw_affine(rng, np.zeros(n, bool) if plain else rng.random(n) < MOVED_SHARE, MOVED, device)
        keyframe = take(self._frames(wanted.key), deformation.source(moved.inverse()(grid(SIDE, n, device))))
        shape = self.points(wanted)
        exact = deformation.points(self.footage.points[self._device(wanted.frame)])
        known = (shape.abs().amax((1, 2, 3)) > 0)[:, None, None]
        key, now = deformation.points(shape[:, 0]), deformation.points(shape[:, 1])
        shape = torch.stack([moved(key.transpose(1, 2)).transpose(1, 2) * known, now], 1)
        mel = self.sounds(wanted.clip, wanted.frame - begin, newest)
        if not plain:
            shape = self._coded(shape)
            mel = mel.masked_fill(self._device(rng.random(n) < SILENCED_SHARE)[:, None, None], SILENCE)
        batch = Batch(keyframe, truth, pictures, mel, detail, boxes_of(exact), shape)
        return batch if plain else lit_by(batch, draw_light(rng, n))

    def _detail(self, pair: Tensor, share: Tensor, step: Tensor, size: np.ndarray, picture: Tensor) -> Tensor:
        detail = torch.zeros_like(pair[:, 0])
        for side in (16, 32, 64):
            at = np.flatnonzero(size == side)
            if not len(at):
                continue
            rows = self._device(at)
            left, right = sent(pair[rows], side, step[rows]).unbind(1)
            larger = left + (right - left) * share[rows]
            wide = [F.interpolate(x, size=(64, 64), mode="bilinear", align_corners=False) for x in (larger, picture[rows])]
            detail[rows] = wide[0] - wide[1]
        return detail

    def note(self, error: np.ndarray) -> None:
        """``error`` (clips,), nan where unknown, sets how often each clip is sampled: from half to twice as often as the
        average one."""
        mean = np.nanmean(error)
        self.difficulty = np.where(np.isnan(error), 1.0, np.clip(error / mean, 0.5, 2.0))
