"""The dense hint: a rigid movement of the head is hinted everywhere; unknown points give no hint."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.face.shape_points import COUNT, DRAWN, MESH
from models.networks.blocks import base_grid
from models.networks.face_upsampler import FaceUpsamplerNet, no_shape
from models.networks.shape_hint import CHANNELS, SIDE, hint


def scattered(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.5, 0.5, (1, COUNT, 2)).astype(np.float32))


def test_a_shift_is_hinted_everywhere() -> None:
    now = scattered(1)
    out = hint(torch.stack([now + torch.tensor([0.2, -0.1]), now], 1))
    assert out.shape == (1, CHANNELS, SIDE, SIDE)
    assert torch.allclose(out[:, 0], torch.tensor(0.2), atol=1e-3)
    assert torch.allclose(out[:, 1], torch.tensor(-0.1), atol=1e-3)


def test_a_turn_is_hinted_everywhere() -> None:
    now, turn = scattered(2), torch.tensor([[0.9, -0.3], [0.3, 0.9]])
    out = hint(torch.stack([now @ turn.T, now], 1))
    grid = base_grid(SIDE, SIDE, now)
    expected = torch.einsum("ij,njhw->nihw", turn - torch.eye(2), grid)
    far = out[:, 2] < 0.01
    assert far.any()
    assert (out[:, :2] - expected).abs().amax(1)[far].max() < 0.02  # far from all points, only the affine fit counts


def test_confidence_and_group_maps_are_high_at_the_points() -> None:
    now = scattered(3)
    out = hint(torch.stack([now, now], 1))[0]
    assert out[:2].abs().max() < 1e-4
    x, y = ((now[0, MESH.index(DRAWN[0][0])] + 1) * SIDE / 2).long().tolist()
    assert out[2, y, x] > 0.7
    assert out[3, y, x] > 0.8
    assert out[2, 0, 0] < 0.05


def test_unknown_points_give_no_hint() -> None:
    both = torch.cat([scattered(4), scattered(5)])
    unknown = torch.zeros_like(both)
    assert not hint(torch.stack([both, unknown], 1)).any()
    assert not hint(torch.stack([unknown, both], 1)).any()


def test_unknown_points_have_the_same_result_as_no_points() -> None:
    torch.manual_seed(0)
    net = FaceUpsamplerNet().eval()
    given = torch.rand(1, 3, 64, 64), torch.rand(1, 5, 3, 8, 8), torch.zeros(1, 20, 80)
    with torch.no_grad():
        plain, zeros = net.coarse(*given)[0], net.coarse(*given, shape=torch.zeros(1, 2, COUNT, 2))[0]
        now = scattered(6)
        led = net.coarse(*given, shape=torch.stack([now + 0.1, now], 1))[0]
    assert torch.equal(plain, zeros)
    assert (led - plain).abs().max() > 1e-3
    assert no_shape(given[1]).shape == (1, CHANNELS, SIDE, SIDE)
