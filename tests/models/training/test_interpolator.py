"""The frame interpolator: shapes, size, and its properties before and after training."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.cache import Cache
from models.networks.interpolator import InterpolatorNet, linear_interpolate
from models.training.interpolator import InterpolatorConfig, Windows, evaluate, hold, train


@pytest.fixture
def pictures():
    return torch.rand(2, 5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def moved():
    """An interpolator whose weights are not the initial ones."""
    torch.manual_seed(2)
    model = InterpolatorNet()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def test_the_size_is_that_of_the_paper():
    assert 100_000 < sum(p.numel() for p in InterpolatorNet().parameters()) <= 200_000


def test_linear_by_hand():
    steps = torch.tensor([0.0, 1.0, 0.5, 0.5, 0.0]).reshape(1, 5, 1, 1, 1).expand(1, 5, 3, 8, 8)
    line = linear_interpolate(steps)[0, :, 0, 0, 0]
    assert line[:5].tolist() == [0.0] * 5  # no earlier picture is known, so the first is held
    assert line[5:10].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert line[10:15].tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert line[20:].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_hold_repeats_the_last_known_picture(pictures):
    frames = hold(pictures)
    assert torch.equal(frames[:, 20:24], pictures[:, 3:4].expand(-1, 4, -1, -1, -1))
    assert torch.equal(frames[:, 24], pictures[:, 4])


def test_an_untrained_interpolator_is_linear(pictures):
    out = InterpolatorNet()(pictures)
    assert out.shape == (2, 25, 3, 8, 8)
    assert torch.equal(out, linear_interpolate(pictures).clamp(0, 1))


def test_the_input_pictures_are_returned_exactly(moved, pictures):
    out = moved(pictures)
    assert torch.equal(out[:, 4::5], pictures)
    assert (out - linear_interpolate(pictures)).abs().max() > 1e-3
    assert out.min() >= 0
    assert out.max() <= 1


def test_examples_do_not_affect_each_other(moved, pictures):
    assert torch.allclose(moved(pictures)[1:], moved(pictures[1:]), atol=1e-5)


def test_windows_stay_in_their_clip_and_end_with_a_picture(tiny_cache):
    cache = Cache(tiny_cache / "train")
    windows = Windows(cache)
    inside = [(c.start, c.start + c.frames) for c in cache.clips]
    assert all(any(a <= s and s + 25 <= b for a, b in inside) for s in windows.starts)
    sent, truth = windows.take(windows.starts[:3], np.array([1, 1, 1]))
    assert torch.equal(sent, truth[:, 4::5])
    coarse, _ = windows.take(windows.starts[:3], np.array([8, 8, 8]))
    assert 0 < (coarse - sent).abs().mean() < 8 / 255


def test_training_learns_and_writes_its_figures(tiny_cache, tmp_path):
    out = tmp_path / "runs" / "interpolator.pt"
    train(tiny_cache, out, InterpolatorConfig(steps=6, batch=2))
    model = InterpolatorNet()
    model.load_state_dict(torch.load(out, weights_only=True))
    assert model.head.weight.abs().max() > 0
    told = json.loads(out.with_suffix(".json").read_text())
    again = evaluate(model, Windows(Cache(tiny_cache / "dev")), 2)
    assert told["dev_psnr_db_by_step"]["2"] == again
    assert again["linear"] > again["held"]
