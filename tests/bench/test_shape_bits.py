"""What points would cost: more components and finer steps cost more and err less."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bench.shape_bits import CHOICES, cost, entropy, main
from models.data.shape_basis import Basis


def test_entropy_is_that_of_the_symbols() -> None:
    assert entropy(np.array([3, 3, 3, 3])) == 0
    assert entropy(np.array([0, 1, 0, 1])) == pytest.approx(1)
    assert entropy(np.array([0, 1, 2, 3])) == pytest.approx(2)


def test_finer_costs_more_and_errs_less() -> None:
    rng = np.random.default_rng(0)
    clips = [np.cumsum(rng.normal(0, 0.01, (80, 108)), 0).astype(np.float32) for _ in range(4)]
    basis = Basis(np.eye(108, dtype=np.float32))
    few, many, fine = cost(basis, clips, 4, 4), cost(basis, clips, 108, 4), cost(basis, clips, 108, 1)
    assert few.kbps_5 < many.kbps_5 < fine.kbps_5
    assert few.error_25 > many.error_25 > fine.error_25
    assert fine.error_25 < fine.error_5
    assert fine.kbps_25 > fine.kbps_5
    assert fine.error_25 == pytest.approx(0.25, abs=0.02)  # a step of one pixel, rounded


def test_a_table_of_a_cache(tmp_path, capsys) -> None:
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        frames = 40
        for name, shape in (("yuv256", (frames, 1)), ("rgb64", (frames, 1)), ("ycc8", (frames, 1)), ("mel", (0, 80))):
            np.save(tmp_path / split / f"{name}.npy", np.zeros(shape, np.uint8))
        clip = {"name": "a.mp4", "identity": "a", "start": 0, "frames": frames, "mel_start": 0, "mel_frames": 0}
        (tmp_path / split / "index.json").write_text(f"[{str(clip).replace(chr(39), chr(34))}]")
    assert main([str(tmp_path)]) == 1
    assert "has no points.npy" in capsys.readouterr().err
    points = np.random.default_rng(1).uniform(40, 200, (40, 468, 2)).astype(np.float16)
    for split in ("train", "dev"):
        np.save(tmp_path / split / "points.npy", points)
    said: list[str] = []
    assert main([str(tmp_path)], said.append) == 0
    assert len("".join(said).splitlines()) == 2 + len(CHOICES)
    assert main([str(tmp_path / "none")]) == 1
