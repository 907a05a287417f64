"""Lip-sync scores from facewire's own expert (:class:`models.lipsync.syncnet.SyncNet`).

Computed like Wav2Lip's LSE-D and LSE-C (Prajwal et al., 2020, after Chung and Zisserman, 2016), but
by another network and with embeddings of length 1: ``sync_d`` and ``sync_c`` can't be compared with
published LSE-D and LSE-C, only with one another.
"""

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.media.types import Float32, UInt8
from models.data.find_regions import EVERY, find, spread
from models.face.detector import Detector
from models.face.landmarks import FaceMesh
from models.lipsync.data import EARLY_ROWS
from models.lipsync.offset import REACH, nearest
from models.lipsync.syncnet import MEL_ROWS, SyncNet, load_sync, mouths_of

LEAST = 5
"""Minimum number of windows for a shift's mean."""
HIT = 1
"""An offset of this many frames or less counts as in sync."""
NAMES = ("sync_d", "sync_c", "sync_offset", "sync_hit")


class Expert(Protocol):
    """Judges whether mouths and sound belong together, in windows of ``times`` frames; see
    :class:`SyncNet`."""

    times: int

    def embed_faces(self, mouths: Tensor) -> Tensor:
        """Luma (1, L, 48, 72) in [0, 1] → (1, L − times + 1, E)."""

    def embed_sounds(self, mel: Tensor) -> Tensor:
        """Log-mel (1, 4L, 80) → (1, L − times + 1, E)."""


def load_expert(path: Path) -> SyncNet:
    """The expert from ``{"model": state dict, "width": int, "times": int}``.

    Raises ``OSError``, and ``ValueError`` for a file that holds something else.
    """
    try:
        return load_sync(path)
    except (KeyError, TypeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path.name} holds no lip-sync expert of this version") from error


def region_boxes(truth: Sequence[UInt8], detector: Detector, mesh: FaceMesh) -> npt.NDArray[np.int16]:
    """Where the faces of consecutive originals (256, 256, 3) have their regions: (L, 4, 4), zeros
    where none was found.

    Only every fifth is examined, as for the expert's training. The outputs' mouths are cut out with the same boxes.
    """
    looked = sorted({*range(0, len(truth), EVERY), len(truth) - 1})
    return spread(len(truth), looked, [find(truth[i], detector, mesh) for i in looked])


@torch.no_grad()
def face_embeddings(expert: Expert, frames: Tensor, boxes: npt.NDArray[np.int16]) -> Tensor:
    """Consecutive frames (L, 3, S, S) in [0, 1] and their boxes (L, 4, 4) → (L − times + 1, E) of length 1.

    A row is nan if its window has a frame without a face.
    """
    mouths = mouths_of(frames[None], torch.from_numpy(boxes)[None])
    out = F.normalize(expert.embed_faces(mouths)[0], dim=1)
    faceless = torch.from_numpy(~boxes.any((1, 2))).unfold(0, expert.times, 1).any(1)
    out[faceless] = float("nan")
    return out


@torch.no_grad()
def sound_embeddings(expert: Expert, mel: Float32, first: int, count: int, frames: int) -> Tensor:
    """Embeddings (count, E) of length 1 of the sound in ``count`` windows that begin at frame ``first``
    and those after it, of a clip of ``frames`` frames.

    A row is nan if its window isn't entirely within the clip. Raises ``ValueError`` if none is.
    """
    begin, end = max(first, 0), min(first + count, frames - expert.times + 1)
    if end <= begin:
        raise ValueError(f"a clip of {frames} frames has no window of {expert.times} from {first} on")
    rows = MEL_ROWS * begin - EARLY_ROWS + np.arange(MEL_ROWS * (end - begin + expert.times - 1))
    heard = mel[rows.clip(0, len(mel) - 1)].copy()
    heard[rows < 0] = -1.0
    found = F.normalize(expert.embed_sounds(torch.from_numpy(heard)[None])[0], dim=1)
    out = found.new_full((count, found.shape[1]), float("nan"))
    out[begin - first : end - first] = found
    return out


def scores(faces: Tensor, sounds: Tensor, shift: int = REACH) -> dict[str, float]:
    """Lip-sync figures of embeddings: ``faces`` (W, E), and ``sounds`` around them, (W + 2·shift, E), whose
    row ``shift`` belongs to the first face.

    For each shift of the sound the mean distance over all windows is taken; of these means, ``sync_d``
    is the least (0..√2, less is better), ``sync_c`` the median minus the least (more is better),
    ``sync_offset`` the shift of the least in frames (positive: the picture is ahead of its sound),
    ``sync_hit`` 1 if that is within ±1, else 0. All are nan if a shift has fewer than five windows with
    face and sound.
    """
    means = np.full(2 * shift + 1, np.nan)
    for i in range(len(means)):
        apart = torch.linalg.vector_norm(faces - sounds[i : i + len(faces)], dim=1)
        apart = apart[~apart.isnan()]
        if len(apart) >= LEAST:
            means[i] = float(apart.mean())
    if np.isnan(means).any():
        return dict.fromkeys(NAMES, float("nan"))
    offset, confidence = nearest(means)
    return dict(zip(NAMES, (float(means.min()), confidence, float(offset), float(abs(offset) <= HIT)), strict=True))
