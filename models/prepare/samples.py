"""A clip as members of a tar file, laid out as WebDataset's readers expect: members that share a name
up to the first dot are one sample.

| member | holds |
|---|---|
| ``KEY.json`` | ``identity``, ``source``, ``start`` (seconds), ``frames``, ``fps``, ``speech``, ``crop`` ([x, y, side], source pixels), ``face`` (median face height, source pixels), ``sync`` ({confidence, offset} or null) |
| ``KEY.mp4`` | H.264, 256×256, 25 FPS, no sound |
| ``KEY.npy`` | log-mel (4 · frames + 1, 80) float16 of :mod:`models.runtime.mel`; (0, 80) without sound |
| ``KEY.boxes.npy`` | (frames, 4, 4) int16 of :mod:`models.data.regions` |
| ``KEY.points.npy`` | (frames, 54, 2) float16 of :mod:`models.face.shape_points`; missing in older shards |

No torch here: the processes that prepare don't need it.
"""  # noqa: E501

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Sample:
    """One clip. ``mel`` (4 · frames + 1, 80) float16 or (0, 80); ``boxes`` (frames, 4, 4) int16;
    ``points`` (frames, 54, 2) float16 or None; ``info`` as in the table."""

    key: str
    info: dict[str, Any]
    mp4: bytes
    mel: npt.NDArray[np.float16]
    boxes: npt.NDArray[np.int16]
    points: npt.NDArray[np.float16] | None = None


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_sample(tar: tarfile.TarFile, sample: Sample) -> None:
    """Append ``sample``; the same sample gives the same bytes."""
    members = {
        "json": json.dumps(sample.info).encode(), "mp4": sample.mp4, "npy": _npy(sample.mel), "boxes.npy": _npy(sample.boxes),
    }  # fmt: skip
    if sample.points is not None:
        members["points.npy"] = _npy(sample.points)
    for ending, data in members.items():
        member = tarfile.TarInfo(f"{sample.key}.{ending}")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))


def read_samples(path: Path, wanted: set[int] | None = None) -> Iterator[Sample]:
    """The samples of a shard in order; if ``wanted`` is given, only those whose number, from 0, is in it.

    Raises ``FileNotFoundError``, and ``ValueError`` for a file that isn't a whole shard.
    """
    members: dict[str, bytes] = {}
    number, key = -1, None
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name, _, ending = member.name.partition(".")
                if name != key:
                    if members:
                        yield _sample(path, str(key), members)
                    number, key, members = number + 1, name, {}
                tar.members = []  # type: ignore[attr-defined]  # or the names of all members stay in memory
                if wanted is None or number in wanted:
                    file = tar.extractfile(member)
                    members[ending] = file.read() if file else b""
    except tarfile.TarError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if members:
        yield _sample(path, str(key), members)


def read_infos(path: Path) -> list[dict[str, Any]]:
    """The ``info`` of every sample of a shard, in order, with its ``key``; the rest is skipped.
    Raises as :func:`read_samples`."""
    found = []
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                file = tar.extractfile(member) if ending == "json" else None
                if file:
                    found.append({"key": key} | json.loads(file.read()))
    except (tarfile.TarError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return found


def _sample(path: Path, key: str, members: dict[str, bytes]) -> Sample:
    try:
        mel, boxes = (np.load(io.BytesIO(members[ending])) for ending in ("npy", "boxes.npy"))
        points = np.load(io.BytesIO(members["points.npy"])) if "points.npy" in members else None
        return Sample(key, json.loads(members["json"]), members["mp4"], mel, boxes, points)
    except (KeyError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: sample {key} is damaged or not one of facewire's: {error!r}") from error
