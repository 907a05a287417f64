"""Pieces → every frame, point and sound of a split in the GPU's memory, so that batches cost no CPU time."""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.media.types import UInt8
from models.data.clip import COARSE, SIDE, Clip
from models.face.shape_points import COUNT
from models.gpu_training.format import ARRAYS, POINT_STEP, PREFIX, mel_of

CHUNK = 2048
"""Frames that are sent to the GPU at once."""
SPARE = 2
"""By how many frames a clip's video may be shorter than its index states."""


@dataclass(frozen=True)
class Span(Clip):
    """A clip and ``late``: frames by which its sound is late, None where the sound is not its own."""

    late: int | None


@dataclass
class Footage:
    """A split on ``device``: ``full`` (F, 256, 256, 3) and ``coarse`` (F, 3, 64, 64) uint8 RGB;
    ``points`` (F, 54, 2) in half-sides, zeros where unknown; ``mel`` (M, 80); ``basis`` (108, 108): directions in
    which points move (:class:`models.data.shape_basis.Basis`)."""

    clips: list[Span]
    full: Tensor
    coarse: Tensor
    points: Tensor
    mel: Tensor
    basis: Tensor

    @property
    def device(self) -> torch.device:
        return self.full.device


def find_pieces(folder: Path) -> list[Path]:
    """The pieces in ``folder``, in order. Raises ``FileNotFoundError`` where there is none."""
    found = sorted(folder.glob(f"{PREFIX}*.tar"))
    if not found:
        raise FileNotFoundError(f"no {PREFIX}0.tar in {folder}")
    return found


def read_member(pieces: list[Path], name: str) -> bytes:
    """The content of ``name``. Raises ``FileNotFoundError`` where no piece holds it."""
    for piece in pieces:
        with tarfile.open(piece) as tar:
            if name in tar.getnames():
                return _read(tar, name)
    raise FileNotFoundError(f"no {name} in {', '.join(p.name for p in pieces)}")


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    content = tar.extractfile(name)
    assert content is not None, "pieces hold only files"
    return content.read()


def decode(video: bytes, frames: int) -> UInt8:
    """The first ``frames`` frames of an MP4 of 256×256, RGB (frames, 256, 256, 3); the last one is
    repeated where one or two are missing. Raises ``ValueError`` for a video of another size, or of fewer frames."""
    out = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:  # OpenCV reads videos only from files
        file.write(video)
        file.flush()
        reader, count = cv2.VideoCapture(file.name), 0
        while count < frames and (got := reader.read())[0]:
            if np.shape(got[1]) != (SIDE, SIDE, 3):
                raise ValueError(f"a video of {np.shape(got[1])[1]}×{np.shape(got[1])[0]} pixels, not {SIDE}×{SIDE}")
            cv2.cvtColor(np.asarray(got[1]), cv2.COLOR_BGR2RGB, dst=out[count])
            count += 1
        reader.release()
    if count < max(1, frames - SPARE):
        raise ValueError(f"a video of {count} frames, not {frames}")
    out[count:] = out[count - 1]
    return out


def _spans(index: bytes, have: set[str], split: str) -> list[Span]:
    """The clips that the present pieces hold, with their new positions in one sequence."""
    stored, spans, start = json.loads(index), [], 0
    for clip in stored["clips"]:
        if f"{split}/{clip['name']}" in have:
            late = 0 if stored["late"] is None else stored["late"].get(clip["name"])
            spans.append(Span(clip["name"], clip["identity"], start, clip["frames"], clip["mel_start"], clip["mel_frames"], late))
            start += clip["frames"]
    return spans


def load(folder: Path, split: str, device: torch.device, say: Callable[[str], None] = lambda _: None) -> Footage:
    """All clips of ``split`` in the pieces of ``folder``; those whose piece is missing are left out.

    Raises ``FileNotFoundError``, and ``ValueError`` for a clip that cannot be decoded.
    """
    pieces = find_pieces(folder)
    arrays = np.load(io.BytesIO(read_member(pieces, f"{split}/{ARRAYS}")))
    places: dict[str, Path] = {}
    for piece in pieces:
        with tarfile.open(piece) as tar:
            places |= dict.fromkeys(tar.getnames(), piece)
    index = arrays["index"].tobytes()
    spans = _spans(index, set(places), split)
    if not spans:
        raise FileNotFoundError(f"no clip of {split} in {folder}")
    total = sum(s.frames for s in spans)
    say(f"{split}: decoding {len(spans)} clips, {total} frames")
    frames = np.empty((total, SIDE, SIDE, 3), np.uint8)
    cv2.setNumThreads(1)

    def fill(span: Span) -> None:
        with tarfile.open(places[f"{split}/{span.name}"]) as tar:
            video = _read(tar, f"{split}/{span.name}")
        try:
            frames[span.start : span.start + span.frames] = decode(video, span.frames)
        except ValueError as error:
            raise ValueError(f"{span.name} in {places[f'{split}/{span.name}'].name}: {error}") from error

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(fill, spans))
    full, coarse = _on_device(frames, device)
    starts = {clip["name"]: clip["start"] for clip in json.loads(index)["clips"]}
    steps = np.cumsum(arrays["points"].T, 0, dtype=np.int64)
    kept = np.concatenate([steps[starts[s.name] :][: s.frames] for s in spans])
    points = (kept.astype(np.float32) * np.float32(POINT_STEP)).reshape(-1, COUNT, 2)
    rest = (torch.from_numpy(x).to(device) for x in (points, mel_of(np.ascontiguousarray(arrays["mel"].T)), arrays["basis"]))
    return Footage(spans, full, coarse, *rest)


def _on_device(frames: UInt8, device: torch.device) -> tuple[Tensor, Tensor]:
    """The frames, and their averages at 64×64."""
    full = torch.empty(frames.shape, dtype=torch.uint8, device=device)
    coarse = torch.empty((len(frames), 3, COARSE, COARSE), dtype=torch.uint8, device=device)
    for at in range(0, len(frames), CHUNK):
        part = full[at : at + CHUNK]
        part.copy_(torch.from_numpy(frames[at : at + CHUNK]))
        mean = F.avg_pool2d(part.permute(0, 3, 1, 2).float(), SIDE // COARSE)
        coarse[at : at + CHUNK] = mean.round().to(torch.uint8)
    return full, coarse
