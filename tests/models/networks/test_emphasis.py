"""Lips and lids are asked to move further than they were told, the head is not."""

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
    """(54, 2), anywhere in the picture."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (COUNT, 2)).astype(np.float32))


def shown(shape: Tensor) -> Tensor:
    out = emphasised(shape)
    assert out is not None
    return out


def added(face: Tensor, movement: Tensor) -> Tensor:
    """What lies beyond the ``movement`` (54, 2) that is told."""
    key, now = shown(torch.stack([face, face + movement])[None])[0]
    assert torch.equal(key, face)
    return now - face - movement


def test_a_head_that_moves_turns_and_comes_nearer_is_let_be(face: Tensor) -> None:
    turned = face @ torch.tensor([[1.2, -0.3], [0.25, 1.1]]) + torch.tensor([0.1, -0.2])
    assert added(face, turned - face).abs().max() < 0.002


def test_unknown_points_stay_unknown() -> None:
    assert emphasised(None) is None
    zeros = torch.zeros(3, 2, COUNT, 2)
    assert torch.equal(shown(zeros), zeros)


def test_only_lips_and_lids_are_moved_further(face: Tensor) -> None:
    jitter = torch.from_numpy(np.random.default_rng(1).normal(0, 0.02, (COUNT, 2)).astype(np.float32))
    more = added(face, jitter)
    assert more[at(*BROWS, *NOSE, *OUTLINE, *EYE_CORNERS)].abs().max() < 1e-6
    assert (more[at(*MOUTH, *LIDS_ABOVE, *LIDS_BELOW)].norm(dim=1) > 1e-4).all()


def test_lips_that_part_part_further_the_more_of_it_the_less_they_move(face: Tensor) -> None:
    below = at(*INNER_LIPS_BELOW)
    shares = []
    for far in (0.005, 0.05, 0.5):
        movement = torch.zeros(COUNT, 2)
        movement[below, 1] = far
        shares.append(float(added(face, movement)[below, 1].mean()) / far)
    assert LIPS > shares[0] > shares[1] > shares[2] > 0


def test_lids_close_further_and_their_eye_stays_where_it_is(face: Tensor) -> None:
    above, below = at(*LIDS_ABOVE[:3]), at(*LIDS_BELOW[:3])
    movement = torch.zeros(COUNT, 2)
    movement[above, 1], movement[below, 1] = 0.002, -0.002
    more = added(face, movement)
    assert more[above + below].mean(0).abs().max() < 1e-5
    assert more[above, 1].mean() == pytest.approx(0.002 * LIDS, rel=0.1)
    far = added(face, movement * 1000)[above, 1].mean()
    assert far < LIDS * LIDS_HALF


def test_bf16_does_not_round_the_places(face: Tensor) -> None:
    shape = torch.stack([face, face + 0.01 * face**2])[None]
    with torch.autocast("cpu", torch.bfloat16):
        within = shown(shape)
    assert torch.equal(within, shown(shape))
