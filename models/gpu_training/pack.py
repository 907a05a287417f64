"""A prepared cache and its clips → pieces (tar) of limited size, with all that a training run needs."""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch

from codec.errors import system_reason
from models.data.cache import Cache
from models.data.shape_basis import coded_points
from models.gpu_training.format import ARRAYS, POINT_STEP, PREFIX, VGG, WEIGHTS, mel_bytes
from models.networks.face_upsampler import FaceUpsamplerNet
from models.training.checkpoint import learnt
from models.training.trainer import SHAPE
from models.whole_file import write_whole

MOST = 60_000_000
"""Largest size of a piece, in bytes; only a single file that is larger exceeds it."""
VGG_LAYERS = 23
"""Convolutions up to relu4_3: the loss looks no deeper."""


def silent_video(path: Path) -> bytes:
    """The clip's video stream as it is, without its sound, as MP4. Raises ``ValueError``."""
    out = io.BytesIO()
    try:
        with av.open(str(path)) as source, av.open(out, "w", format="mp4") as target:
            stream = source.streams.video[0]
            copied = target.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path}: {system_reason(error) if isinstance(error, OSError) else 'no video in it'}") from error
    return out.getvalue()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _arrays(cache: Cache) -> bytes:
    """Everything of a split except its pictures: index, speech, points, and the sound's offsets."""
    points, basis = coded_points(cache)
    steps = np.rint(points.reshape(len(points), -1) / POINT_STEP).astype(np.int16)
    # Changes from frame to frame are small numbers, which compress.
    changes = np.concatenate([steps[:1], np.diff(steps, axis=0)])
    index = {"clips": [clip.__dict__ for clip in cache.clips], "late": cache.late}
    return _npz({
        "index": np.frombuffer(json.dumps(index).encode(), np.uint8),
        "points": changes.T.copy(), "mel": mel_bytes(cache.mel).T.copy(),
        "basis": basis.rows,
    })  # fmt: skip


def half_weights(start: Path) -> bytes:
    """Weights that a run starts from (a checkpoint or a folder of ONNX files), as fp16."""
    model = FaceUpsamplerNet()
    own, known = model.state_dict(), learnt(start, model.named_parameters(), SHAPE)
    fitting = {k: v.half() for k, v in known.items() if k in own and v.shape == own[k].shape}
    if (old := known.get("predictor.lean")) is not None:
        fitting |= {f"predictor.lean{side}": v.half() for side, v in zip((16, 32, 64), old, strict=True)}
    out = io.BytesIO()
    torch.save(fitting, out)
    return out.getvalue()


def _losses(folder: Path) -> bytes:
    state = torch.load(folder / "lpips_vgg16.pth", weights_only=True)
    kept = {k: v.half() for k, v in state.items() if not k.startswith("features.") or int(k.split(".")[1]) < VGG_LAYERS}
    out = io.BytesIO()
    torch.save(kept, out)
    return out.getvalue()


def members(data: Path, cache: Path, losses: Path, start: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of all that is packed; what every run needs comes first."""
    yield VGG, _losses(losses)
    yield WEIGHTS, half_weights(start)
    splits = {split: Cache(cache / split, in_memory=False) for split in ("dev", "train")}
    for split, kept in splits.items():
        yield f"{split}/{ARRAYS}", _arrays(kept)
    for split, kept in splits.items():
        for clip in kept.clips:
            yield f"{split}/{clip.name}", silent_video(data / split / clip.name)


def pack(data: Path, cache: Path, losses: Path, start: Path, out: Path, first: int = MOST, most: int = MOST) -> list[Path]:
    """Write ``OUT/piece-0.tar`` (of at most ``first`` bytes), ``OUT/piece-1.tar`` … (of at most ``most``); returns their paths.

    ``data``: the folder of clips; ``cache``: what ``facewire train`` has prepared from it, with
    points; ``losses``: the folder with ``lpips_vgg16.pth``. Pieces of an earlier packing are removed.
    Raises ``FileNotFoundError``, ``ValueError``.
    """
    for path in out.glob(f"{PREFIX}*.tar"):
        path.unlink()  # of an earlier packing: pieces of two do not belong together
    paths: list[Path] = []
    for piece in _pieces(members(data, cache, losses, start), first, most):
        paths.append(out / f"{PREFIX}{len(paths)}.tar")
        write_whole(paths[-1], partial(_write_tar, piece))
    return paths


def _write_tar(piece: list[tuple[str, bytes]], path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in piece:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _pieces(content: Iterable[tuple[str, bytes]], first: int, most: int) -> Iterator[list[tuple[str, bytes]]]:
    """Files that fit into a tar of at most ``first`` bytes, then into tars of at most ``most``."""
    piece: list[tuple[str, bytes]] = []
    size, limit = tarfile.RECORDSIZE, first
    for name, data in content:
        taken = tarfile.BLOCKSIZE * (2 + len(data) // tarfile.BLOCKSIZE)
        if piece and size + taken > limit:
            yield piece
            piece, size, limit = [], tarfile.RECORDSIZE, most
        piece.append((name, data))
        size += taken
    if piece:
        yield piece
