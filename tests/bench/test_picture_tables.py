"""The training of the tables counts what the coder codes and writes a module that the coder can use."""

import importlib
import json

import numpy as np
import pytest

pytest.importorskip("torch")

import codec.pictures.contexts
import codec.pictures.header
import codec.pictures.planes
from bench.picture_tables import LEAST, MOST, count, judge, main, module
from codec.pictures.contexts import CONTEXTS, MODE_AT
from codec.pictures.probabilities import ZERO
from codec.pictures.sampling import sample


@pytest.fixture
def cache(faces, tmp_path):
    """The shipped clip's 8×8 pictures as a prepared split; the trainer uses nothing else."""
    for split in ("train", "dev"):
        folder = tmp_path / split
        folder.mkdir()
        for name in ("yuv256", "rgb64", "mel"):
            np.save(folder / f"{name}.npy", np.zeros(0, np.uint8))
        np.save(folder / "ycc8.npy", np.stack([sample(f) for f in faces]))
        clip = {"name": "a", "identity": "a", "start": 0, "frames": len(faces), "mel_start": 0, "mel_frames": 0}
        (folder / "index.json").write_text(json.dumps([clip]))
    return tmp_path


@pytest.fixture
def restored():
    """Counting replaces the probabilities with counters; put the probabilities back."""
    yield
    for room in (codec.pictures.contexts, codec.pictures.planes, codec.pictures.header):
        room.ZERO = ZERO


def test_counts_are_written_as_a_module(cache, restored, tmp_path):
    counter = count(cache / "train")
    pictures = len(range(4, 43, 5))
    assert counter.seen[MODE_AT].sum() == pictures
    found = counter.probabilities()
    assert len(found) == CONTEXTS
    assert all(LEAST <= p <= MOST for p in found)
    zero = [i for i in range(CONTEXTS) if counter.seen[i, 0] > 8 and not counter.seen[i, 1]]
    assert zero
    assert all(found[i] > 30000 for i in zero)
    assert all(found[i] == 16384 for i in range(CONTEXTS) if not counter.seen[i].sum())
    (tmp_path / "made.py").write_text(module(found))
    spec = importlib.util.spec_from_file_location("made", tmp_path / "made.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert list(made.ZERO) == found


def test_the_current_tables_are_judged(cache):
    line = judge(cache / "dev", 3, 1)
    assert "step 4" in line
    size, quality = float(line.split(": ")[1].split(" bytes")[0]), float(line.split("BPP, ")[1].split(" dB")[0])
    assert 1 < size < 60
    assert 38 < quality < 60
    said: list[str] = []
    assert main([str(cache), "--judge"], said.append) == 0
    assert len(said) == 5
