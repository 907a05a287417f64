"""LPIPS, DISTS and the Fréchet distance, with metric networks of random weights."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bench.metrics.frechet import embedding, frechet_distance
from bench.metrics.perceptual import Dists, lpips
from bench.metrics.pixel import to_tensor
from bench.metrics.vgg16 import Vgg16


@pytest.fixture(scope="module")
def pair(faces) -> tuple:
    """(three increasingly blurred versions of a small picture, the picture itself three times)"""
    truth = cv2.resize(faces[0], (64, 64), interpolation=cv2.INTER_AREA)
    return to_tensor([cv2.GaussianBlur(truth, (0, 0), s) for s in (0.6, 1.5, 4)]), to_tensor([truth] * 3)


def test_stages_have_vgg16s_shapes_and_pooling_keeps_a_constant(losses):
    vgg = Vgg16(losses / "lpips_vgg16.pth")
    stages = vgg(torch.rand(2, 3, 64, 48))
    assert [tuple(s.shape) for s in stages] == [
        (2, 64, 64, 48), (2, 128, 32, 24), (2, 256, 16, 12), (2, 512, 8, 6), (2, 512, 4, 3),
    ]  # fmt: skip
    assert embedding(stages).shape == (2, 512)
    pooled = vgg._pool(torch.full((1, 2, 8, 8), 3.0))
    assert pooled.shape == (1, 2, 4, 4)
    assert torch.allclose(pooled[..., 1:, 1:], torch.tensor(3.0))


def test_bf16_stages_are_near_the_exact_ones(losses, pair):
    exact, rounded = (Vgg16(losses / "lpips_vgg16.pth", bf16)(pair[0]) for bf16 in (False, True))
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == torch.float32
        assert float((a - b).abs().mean()) < 0.02 * float(a.abs().mean())


def test_lpips_is_zero_for_equal_images_and_grows_with_blur(losses, pair):
    judge = lpips(losses)
    output, truth = pair
    assert judge(truth, truth).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    values = judge(output, truth).tolist()
    assert values == sorted(values)
    assert values[0] > 0


def test_dists_is_zero_for_equal_images_and_grows_with_blur(losses, pair):
    vgg, dists = Vgg16(losses / "lpips_vgg16.pth"), Dists(losses / "dists.pt")
    output, truth = pair
    true_stages = vgg(truth)
    assert dists(truth, true_stages, truth, true_stages).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    values = dists(output, vgg(output), truth, true_stages).tolist()
    assert values == sorted(values)
    assert values[0] > 0


def test_dists_formula_by_hand(tmp_path):
    """All weight is on the three channels of the image itself, so that means and covariances can be computed here."""
    alpha, beta = np.zeros(1475), np.zeros(1475)
    alpha[:3], beta[:3] = (1, 2, 3), (4, 0, 2)
    state = {"alpha": alpha.reshape(1, -1, 1, 1), "beta": beta.reshape(1, -1, 1, 1)}
    torch.save({k: torch.from_numpy(v) for k, v in state.items()}, tmp_path / "dists.pt")
    x, y = torch.rand(1, 3, 9, 9), torch.rand(1, 3, 9, 9)
    stages = [torch.zeros(1, c, 2, 2) for c in (64, 128, 256, 512, 512)]
    wanted = 1.0
    for c in range(3):
        a, b = x[0, c].double().numpy().ravel(), y[0, c].double().numpy().ravel()
        cov = np.cov(a, b, bias=True)
        wanted -= alpha[c] / 12 * (2 * a.mean() * b.mean() + 1e-6) / (a.mean() ** 2 + b.mean() ** 2 + 1e-6)
        wanted -= beta[c] / 12 * (2 * cov[0, 1] + 1e-6) / (cov[0, 0] + cov[1, 1] + 1e-6)
    assert float(Dists(tmp_path / "dists.pt")(x, stages, y, stages)) == pytest.approx(wanted, abs=1e-5)


def whitened(samples: int, size: int) -> np.ndarray:
    """Samples (samples, size) with a mean of exactly 0 and a covariance that is exactly the identity."""
    x = np.random.default_rng(3).normal(size=(samples, size))
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_frechet_distance_of_gaussians_with_a_known_answer():
    x = whitened(200, 6)
    widths, means = np.array([[1, 2, 3, 0.5, 1, 0], [2, 2, 1, 0.5, 0, 3]]), np.array([[0.0] * 6, [1, 0, 0, 2, 0, 0]])
    a, b = x * widths[0] + means[0], x[::-1] * widths[1] + means[1]
    # If the covariances commute, the distance is the sum of squared differences of the means and of the deviations.
    wanted = ((means[0] - means[1]) ** 2).sum() + ((widths[0] - widths[1]) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-6)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_with_fewer_samples_than_dimensions():
    x = np.random.default_rng(0).normal(size=(10, 64))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(x, x + 2) == pytest.approx(64 * 4, rel=1e-6)
    with pytest.raises(ValueError, match="two samples"):
        frechet_distance(x[:1], x)
