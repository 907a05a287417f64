"""Mixtures of checkpoints."""

import pytest

torch = pytest.importorskip("torch")

from models.training.average import mix


def save(path, **weights):
    torch.save({"ema": weights}, path)
    return path


def test_a_mixture_is_between_its_checkpoints(tmp_path):
    a = save(tmp_path / "a.pt", w=torch.zeros(3), count=torch.tensor(1))
    b = save(tmp_path / "b.pt", w=torch.full((3,), 2.0), count=torch.tensor(5))
    mix(a, b, tmp_path / "c.pt", 0.25)
    got = torch.load(tmp_path / "c.pt", weights_only=True)["ema"]
    assert got["w"].tolist() == [0.5] * 3
    assert got["count"] == 5
    mix(a, b, tmp_path / "c.pt", 1.0)
    assert torch.load(tmp_path / "c.pt", weights_only=True)["ema"]["w"].tolist() == [2.0] * 3


def test_checkpoints_that_do_not_match_are_refused(tmp_path):
    a, b = save(tmp_path / "a.pt", w=torch.zeros(3)), save(tmp_path / "b.pt", w=torch.zeros(4))
    with pytest.raises(ValueError, match="are of different networks"):
        mix(a, b, tmp_path / "c.pt")
    with pytest.raises(ValueError, match=r"share 1.5 is outside 0..1"):
        mix(a, a, tmp_path / "c.pt", 1.5)
    (tmp_path / "d.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint"):
        mix(a, tmp_path / "d.pt", tmp_path / "c.pt")
    with pytest.raises(ValueError, match="is a folder, not a checkpoint"):
        mix(a, tmp_path, tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()
