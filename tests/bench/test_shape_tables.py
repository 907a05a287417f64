"""The tables of the shape: trained from a cache with points, and judged."""

import json

import numpy as np
import pytest

import codec.shape.shape
import codec.shape.syntax
from bench.shape_tables import basis_module, count, judge, learn_basis, main, probabilities_module
from codec.pictures.rangecoder import Encoder
from codec.shape.basis import COEFFICIENTS, SCALE, weights
from codec.shape.probabilities import ZERO
from codec.shape.syntax import CONTEXTS

pytest.importorskip("torch")


def write_split(folder, frames: int) -> None:
    """Write a prepared split without pictures, which the tables don't use."""
    folder.mkdir(parents=True)
    for name, shape in (("yuv256", (frames, 1)), ("rgb64", (frames, 1)), ("ycc8", (frames, 1)), ("mel", (0, 80))):
        np.save(folder / f"{name}.npy", np.zeros(shape, np.uint8))
    clip = {"name": "a.mp4", "identity": "a", "start": 0, "frames": frames, "mel_start": 0, "mel_frames": 0}
    (folder / "index.json").write_text(json.dumps([clip]))


@pytest.fixture
def cache(tmp_path):
    """A cache whose faces move smoothly."""
    rng, folder = np.random.default_rng(0), tmp_path / "cache"
    for split, frames in (("train", 120), ("dev", 40)):
        write_split(folder / split, frames)
        moved = np.cumsum(rng.normal(0, 1.5, (frames, 468, 2)), 0) + np.cumsum(rng.normal(0, 3, (frames, 1, 2)), 0)
        np.save(folder / split / "points.npy", (128 + moved).astype(np.float16))
    return folder


@pytest.fixture(autouse=True)
def _own_tables(monkeypatch):
    """Counting replaces the tables; put the original ones back."""
    for module in (codec.shape.shape, codec.shape.syntax):
        monkeypatch.setattr(module, "ZERO", ZERO)
    monkeypatch.setattr(codec.shape.shape, "Encoder", Encoder)


def test_the_basis_is_orthonormal_in_weighted_points(cache):
    table = learn_basis(cache / "train") / SCALE * weights()
    assert np.abs(table @ table.T - np.eye(COEFFICIENTS)).max() < 0.02
    made: dict = {}
    exec(basis_module(learn_basis(cache / "train")), made)
    assert np.array_equal(made["TABLE"], learn_basis(cache / "train"))


def test_counts_are_written_as_a_module(cache):
    found = count(cache / "train").probabilities()
    made: dict = {}
    exec(probabilities_module(found), made)
    assert list(made["ZERO"]) == found
    assert len(found) == CONTEXTS
    assert len(set(found)) > 20


def test_finer_steps_cost_more_bits_and_have_smaller_errors(cache):
    def figures(line: str) -> tuple[float, float]:
        return float(line.split(" bits")[0].split()[-1]), float(line.split("error ")[1].split()[0])

    fine, coarse, sparse = (figures(judge(cache / "dev", *given)) for given in ((0, True), (7, True), (7, False)))
    assert fine[0] > coarse[0] > sparse[0]
    assert fine[1] < coarse[1] < sparse[1]


def test_the_command_reports_missing_points(tmp_path, capsys):
    assert main([str(tmp_path), "judge"]) == 1
    for split in ("train", "dev"):
        write_split(tmp_path / split, 40)
    for what in ("basis", "judge"):
        assert main([str(tmp_path), what]) == 1
        assert "points.npy" in capsys.readouterr().err
