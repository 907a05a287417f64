"""Training batches, each a pure function of (seed, step), so that a resumed run gets the same ones as
an uninterrupted one."""

import contextlib
import queue
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from codec.pictures.colour import rgb_to_ycbcr, ycbcr_to_rgb
from models.data.augment import relight
from models.data.batch import Batch
from models.data.cache import Cache, quantise, window_pictures
from models.data.clip import TICK, Clip
from models.data.regions import mirrored_boxes
from models.data.shape_basis import Basis
from models.data.shares import DETAIL_SHARE, MOVED_SHARE, SILENCED_SHARE, WITHHELD_SHARE
from models.face.shape_points import mirrored_points
from models.runtime.detail import detail_of

if TYPE_CHECKING:
    from models.data.batch import BatchSource


def _image(cache: Cache, at: int, side: int) -> np.ndarray:
    if side == 64:
        return cache.coarse[at]
    rgb = cache.rgb256(at)
    return rgb if side == 256 else cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)


def _larger(coarse: np.ndarray, frame: int, phase: int | None, step: int, size: int) -> np.ndarray:
    """Frame ``frame`` as a picture of ``size``: (size, size, 3) RGB in [0, 1], quantised, interpolated
    between ticks."""
    at = [(frame, 1.0)]
    if phase is not None:
        left, part = divmod(frame - phase, TICK)
        times = [int(np.clip(phase + (left + i) * TICK, 0, len(coarse) - 1)) for i in (0, 1)]
        at = [(times[0], 1 - part / TICK), (times[1], part / TICK)]
    total = np.zeros((size, size, 3), np.float32)
    for time, share in at:
        ycbcr = rgb_to_ycbcr(cv2.resize(coarse[time], (size, size), interpolation=cv2.INTER_AREA))
        total += share / 255.0 * ycbcr_to_rgb(quantise(ycbcr, step)).astype(np.float32)
    return total


def example(
    cache: Cache,
    clip: Clip,
    key: int,
    frame: int,
    side: int,
    phase: int | None,
    step: int,
    size: int = 8,
    shape_phase: int | None = None,
) -> tuple[np.ndarray, ...]:
    """(keyframe, truth, pictures, mel, detail, boxes, shape) for frame ``frame`` of ``clip`` with its frame
    ``key`` as keyframe.

    ``size``: side of the pictures that are sent; 8, 16, 32 or 64. ``shape_phase``: phase of the ticks
    at which the face's points are known; None: they are known at every frame.
    """
    own = slice(clip.start, clip.start + clip.frames)
    newest = frame + 2 if phase is None else phase + -(-(frame - phase) // TICK) * TICK
    pictures = window_pictures(cache.small[own], frame, phase, step)
    detail = np.zeros((3, 64, 64), np.float32)
    if size > 8:
        detail = detail_of(pictures[2], _larger(cache.coarse[own], frame, phase, step, size))
    return (
        _image(cache, clip.start + key, side), _image(cache, clip.start + frame, side), pictures,
        cache.speech(clip, frame, newest), detail, cache.boxes(clip.start + frame),
        np.stack([cache.shape(clip, key), cache.shape(clip, frame, shape_phase)]),
    )  # fmt: skip


def collate(examples: list[tuple[np.ndarray, ...]]) -> Batch:
    def images(i: int) -> Tensor:
        x = torch.from_numpy(np.stack([e[i] for e in examples]))
        return (x.permute(0, 3, 1, 2).float() / 255.0).contiguous(memory_format=torch.channels_last)

    rest = [torch.from_numpy(np.stack([e[i] for e in examples])).float() for i in range(2, 7)]
    return Batch(images(0), images(1), *rest)


def mirrored(picked: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The mirror image of an example."""
    keyframe, truth, pictures, mel, detail, boxes, shape = picked
    turned = pictures[..., ::-1], mel, detail[..., ::-1], mirrored_boxes(boxes), mirrored_points(shape)
    return keyframe[:, ::-1], truth[:, ::-1], *turned


def moved_keyframe(picked: tuple[np.ndarray, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """An example whose keyframe is turned, shifted and scaled at random: large motion is rare in the clips."""
    keyframe, *rest, shape = picked
    side = keyframe.shape[0]
    angle, scale = rng.normal(0, 0.15), np.exp(rng.normal(0, 0.1))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = rng.normal(0, 0.12, 2)
    matrix = np.column_stack([turn, (shift + 1 - turn @ (1, 1)) * side / 2])
    # Between pixel centres, as the points are.
    matrix[:, 2] += turn @ (0.5, 0.5) - 0.5
    out = cv2.warpAffine(
        np.ascontiguousarray(keyframe), matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if shape[0].any():
        shape = np.stack([shape[0] @ turn.T.astype(np.float32) + shift.astype(np.float32), shape[1]])
    return out, *rest, shape


class Sampler:
    """Draws (keyframe, target) pairs of one clip, mirrored at random, so that people with little footage
    are drawn often enough."""

    def __init__(self, cache: Cache, side: int, batch: int, seed: int = 0, harder: bool = True) -> None:
        """``harder``: also samples that are rare in calls, with moved keyframes and larger pictures. Raises ``ValueError`` for
        a cache without a clip of ten frames."""
        self.cache, self.side, self.batch, self.seed = cache, side, batch, seed
        self._detail, self._moved = (DETAIL_SHARE, MOVED_SHARE) if harder else (0.0, 0.0)
        people: dict[str, list[Clip]] = {}
        for clip in cache.clips:
            if clip.frames >= 10:
                people.setdefault(clip.identity, []).append(clip)
        if not people:
            raise ValueError("no clip is long enough to train on")
        self.people = list(people.values())
        self.frames = [np.array([c.frames for c in p], float) for p in self.people]
        weight = np.sqrt([f.sum() for f in self.frames])
        self.weight = weight / weight.sum()

    def clip(self, rng: np.random.Generator) -> Clip:
        """A random clip: people are weighted by the root of their footage, their clips by length."""
        person = rng.choice(len(self.people), p=self.weight)
        frames = self.frames[person]
        return self.people[person][rng.choice(len(frames), p=frames / frames.sum())]

    @cached_property
    def basis(self) -> Basis | None:
        """Learnt on first use, because other samplers than this never use it."""
        return Basis.of(self.cache)

    def coder(self, rng: np.random.Generator, withheld: float = WITHHELD_SHARE) -> Callable[[np.ndarray], np.ndarray]:
        """A random coder of points (2, 54, 2), the keyframe's and the frame's: it returns them exactly, or with coding errors,
        or, in a share ``withheld`` of all draws, as zeros."""
        share, basis = rng.random(), self.basis
        exact = basis is None or share > withheld + (1 - withheld) * 0.625  # without a basis nothing can be coded
        count, step = int(rng.choice([8, 12, 16, 24])), float(rng.uniform(2, 10)) / 128

        def coded(shape: np.ndarray) -> np.ndarray:
            if share < withheld or not (shape[0].any() and shape[1].any()):
                return np.zeros_like(shape)
            if exact or basis is None:
                return shape
            return np.stack([shape[0], shape[0] + basis.coded(shape[1] - shape[0], count, step)])

        return coded

    def draw(self, step: int) -> Batch:
        """The batch of training step ``step``."""
        rng, out = np.random.default_rng([self.seed, step]), []
        for _ in range(self.batch):
            clip = self.clip(rng)
            key, frame = (int(i) for i in rng.integers(0, clip.frames, 2))
            phase = None if rng.random() < 0.25 else int(rng.integers(0, TICK))
            size = int(rng.choice([16, 32, 64], p=[0.5, 0.3, 0.2])) if rng.random() < self._detail else 8
            shape_phase = phase if rng.random() < 0.4 else None
            picked = example(self.cache, clip, key, frame, self.side, phase, int(rng.choice([1, 2, 3, 4])), size, shape_phase)
            picked = (*picked[:6], self.coder(rng)(picked[6]))
            if rng.random() < self._moved:
                picked = moved_keyframe(picked, rng)
            if rng.random() < 0.5:
                picked = mirrored(picked)
            if rng.random() < SILENCED_SHARE:
                picked = (*picked[:3], np.full_like(picked[3], -1.0), *picked[4:])
            out.append(picked)
        return relight(collate(out), rng)


class Prefetch:
    """Draws the next batches in a thread while the network trains on this one."""

    def __init__(self, sampler: "BatchSource", first: int) -> None:
        self.queue: queue.Queue[Batch | Exception] = queue.Queue(3)
        self._closed = False
        self.thread = threading.Thread(target=self._work, args=(sampler, first), daemon=True)
        self.thread.start()

    def _work(self, sampler: "BatchSource", step: int) -> None:
        while not self._closed:
            try:
                self.queue.put(sampler.draw(step))
            except Exception as error:  # raised by next(), or training would wait for ever
                self.queue.put(error)
                return
            step += 1

    def close(self) -> None:
        """Let the thread end, and the sampler's cache with it."""
        self._closed = True
        while self.thread.is_alive():  # it may wait for room
            with contextlib.suppress(queue.Empty):
                self.queue.get(timeout=0.1)

    def next(self) -> Batch:
        got = self.queue.get()
        if isinstance(got, Exception):
            raise got
        return got
