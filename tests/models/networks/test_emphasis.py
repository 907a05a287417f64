"""The movement of lips and lids is amplified beyond the received one, that of the head is not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor

from models.face.shape_points import (
    BROWS,
    COUNT,
    EYE_CORNERS,
    INNER_LIPS_ABOVE,
    INNER_LIPS_BELOW,
    LIDS_ABOVE,
    LIDS_BELOW,
    MESH,
    NOSE,
    OUTER_LIPS,
    OUTLINE,
)  # fmt: skip
from models.networks.emphasis import LIDS, LIDS_HALF, LIPS, emphasised

MOUTH = (*OUTER_LIPS, *INNER_LIPS_ABOVE, *INNER_LIPS_BELOW)


def at(*points: int) -> list[int]:
    return [MESH.index(point) for point in points]


@pytest.fixture
def face() -> Tensor:
    """Random points (54, 2) in the picture."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (COUNT, 2)).astype(np.float32))


def shown(shape: Tensor) -> Tensor:
    out = emphasised(shape)
    assert out is not None
    return out


def added(face: Tensor, movement: Tensor) -> Tensor:
    """What is added to the received ``movement`` (54, 2)."""
    key, now = shown(torch.stack([face, face + movement])[None])[0]
    assert torch.equal(key, face)
    return now - face - movement


def test_movement_rotation_and_scaling_of_the_head_are_unchanged(face: Tensor) -> None:
    turned = face @ torch.tensor([[1.2, -0.3], [0.25, 1.1]]) + torch.tensor([0.1, -0.2])
    assert added(face, turned - face).abs().max() < 0.002


def test_unknown_points_stay_unknown() -> None:
    assert emphasised(None) is None
    zeros = torch.zeros(3, 2, COUNT, 2)
    assert torch.equal(shown(zeros), zeros)


def test_only_the_movement_of_lips_and_lids_is_amplified(face: Tensor) -> None:
    jitter = torch.from_numpy(np.random.default_rng(1).normal(0, 0.02, (COUNT, 2)).astype(np.float32))
    more = added(face, jitter)
    assert more[at(*BROWS, *NOSE, *OUTLINE, *EYE_CORNERS)].abs().max() < 1e-6
    assert (more[at(*MOUTH, *LIDS_ABOVE, *LIDS_BELOW)].norm(dim=1) > 1e-4).all()


def test_the_opening_of_lips_is_amplified_more_the_smaller_it_is(face: Tensor) -> None:
    below = at(*INNER_LIPS_BELOW)
    shares = []
    for far in (0.005, 0.05, 0.5):
        movement = torch.zeros(COUNT, 2)
        movement[below, 1] = far
        shares.append(float(added(face, movement)[below, 1].mean()) / far)
    assert LIPS > shares[0] > shares[1] > shares[2] > 0


def test_the_closing_of_lids_is_amplified_and_the_eye_stays_in_place(face: Tensor) -> None:
    above, below = at(*LIDS_ABOVE[:3]), at(*LIDS_BELOW[:3])
    movement = torch.zeros(COUNT, 2)
    movement[above, 1], movement[below, 1] = 0.002, -0.002
    more = added(face, movement)
    assert more[above + below].mean(0).abs().max() < 1e-5
    assert more[above, 1].mean() == pytest.approx(0.002 * LIDS, rel=0.1)
    far = added(face, movement * 1000)[above, 1].mean()
    assert far < LIDS * LIDS_HALF


def test_bf16_does_not_round_the_points(face: Tensor) -> None:
    shape = torch.stack([face, face + 0.01 * face**2])[None]
    with torch.autocast("cpu", torch.bfloat16):
        within = shown(shape)
    assert torch.equal(within, shown(shape))
