"""How well an expert distinguishes sounds in sync from shifted ones; how late a clip's sound is, and
whether it is the clip's own."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.data.clip import Clip
from models.lipsync.data import SyncData
from models.lipsync.offset import REACH, nearest
from models.lipsync.sync_file import Score
from models.lipsync.syncnet import EPSILON, SyncNet

APART = 5
"""Shift, in frames, from which a sound counts as wrong: the window's own length."""
NEAR = 1
"""Frames by which a found offset may be wrong: 40 ms, less than people notice."""

Embed = Callable[[Clip], tuple[Tensor, Tensor]]
"""A clip → embeddings (P, E) of its P windows and of their sounds."""


@torch.no_grad()
def distances(embed: Embed, data: SyncData, clip: Clip) -> np.ndarray:
    """Distances (P, 31) of each window of a clip to the sound −15 … +15 frames from its own; NaN
    beyond the clip's ends.

    A distance is that of the two embeddings normalised to length 1, in [0, √2]. Windows without a face
    are left out.
    """
    face, sound = (x / x.norm(dim=1, keepdim=True).clamp_min(EPSILON) for x in embed(clip))
    cosines = (face @ sound.T).numpy()
    count = len(cosines)
    index = np.arange(count)[:, None] + np.arange(-REACH, REACH + 1)
    out = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(cosines, index.clip(0, count - 1), 1), 0))
    out[(index < 0) | (index >= count)] = np.nan
    return out[data.starts(clip, clip.frames - count + 1)]


def curve(rows: np.ndarray) -> np.ndarray:
    """The mean distance at each shift over the windows that have one, (31,); NaN where hardly any window has."""
    known = (~np.isnan(rows)).sum(0)
    mean = np.nansum(rows, 0) / np.maximum(known, 1)
    mean[known < max(5, len(rows) // 4)] = np.nan
    return mean


def clip_score(rows: np.ndarray) -> Score:
    """From :func:`distances`: ``offset``, by how many frames the sound is late, and ``confidence``,
    which like SyncNet's LSE-C is the median distance over all shifts minus the smallest, of distances
    averaged over the clip's windows.

    Both 0 for a clip too short to be judged.
    """  # fmt: skip
    means = curve(rows)
    if np.isnan(means).sum() > REACH:
        return {"confidence": 0.0, "offset": 0}
    offset, confidence = nearest(means)
    return {"confidence": round(confidence, 4), "offset": offset}


def whole_clips(model: SyncNet, data: SyncData) -> Embed:
    """How the expert embeds the clips of ``data``."""

    def embed(clip: Clip) -> tuple[Tensor, Tensor]:
        runs = data.plain(clip)
        return model.embed_faces(runs.mouths)[0], model.embed_sounds(runs.mel)[0]

    return embed


def evaluate_sync(embed: Embed, data: SyncData, late: dict[str, int]) -> Score:
    """Accuracies in [0, 1] over the clips named in ``late``, each against the offset given there.

    ``two_way``: of a window's own sound and one at least :data:`APART` frames off, its own is
    nearer. ``offset_window``, ``offset_clip``: the nearest sound within ±:data:`REACH` frames is
    within ±:data:`NEAR`, for a single window and averaged over the clip. ``cosine`` and
    ``cosine_shifted``: mean cosine of pairs in sync and of pairs that are not.
    """
    found: dict[str, list[np.ndarray]] = {}
    for clip in data.clips:
        if clip.name not in late:
            continue
        rows, true = distances(embed, data, clip), REACH + late[clip.name]
        rows = rows[~np.isnan(rows[:, true])]
        if not len(rows) or np.isnan(curve(rows)).sum() > REACH:
            continue
        shifted = rows[:, np.abs(np.arange(2 * REACH + 1) - true) >= APART]
        known = ~np.isnan(shifted)
        for name, values in (
            ("two_way", (shifted > rows[:, true, None])[known]),
            ("offset_window", np.abs(np.nanargmin(rows, 1) - true) <= NEAR),
            ("offset_clip", np.array([abs(clip_score(rows)["offset"] - late[clip.name]) <= NEAR])),
            ("cosine", 1 - rows[:, true] ** 2 / 2),
            ("cosine_shifted", 1 - shifted[known] ** 2 / 2),
        ):
            found.setdefault(name, []).append(values)
    means = {k: round(float(np.concatenate(v).mean()), 4) for k, v in found.items()}
    return means | {"clips": float(len(found.get("cosine", [])))}


def score_clips(embed: Embed, data: SyncData) -> dict[str, Score]:
    """:func:`clip_score` of every clip that is not silent, by name."""
    return {c.name: clip_score(distances(embed, data, c)) for c in data.clips}
