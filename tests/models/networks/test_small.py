"""The small network: its computing cost, and that it is initialised as a part of the large one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.export.cost import call_gflop, small_gflop
from models.face.shape_points import COUNT
from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.networks.small import SHARED, SMALL, own_parameters, shrunk


@pytest.fixture(scope="module")
def call():
    torch.manual_seed(3)
    made = FaceUpsamplerNet().eval()
    for name, parameter in made.named_parameters():  # heads that have an effect
        parameter.data += torch.randn_like(parameter) * (0.02 if "flow" in name or "head" in name else 0.002)
    return made


@pytest.fixture(scope="module")
def given():
    generator = torch.Generator().manual_seed(4)
    return (
        torch.rand(2, 3, 256, 256, generator=generator), torch.rand(2, 5, 3, 8, 8, generator=generator),
        torch.randn(2, 20, 80, generator=generator), torch.rand(2, 3, 64, 64, generator=generator) * 0.1,
        torch.rand(2, 2, COUNT, 2, generator=generator) - 0.5,
    )  # fmt: skip


def test_the_small_network_costs_about_a_third():
    assert small_gflop() <= 1.0
    assert small_gflop() < call_gflop() * 0.36


@torch.no_grad()
def test_with_all_channels_kept_it_is_the_same_network(call, given):
    """So every channel is where the next layer expects it: the order of channels must not differ anywhere."""
    same = shrunk(call, lambda: call(*given), FaceUpsamplerConfig()).eval()
    for mine, theirs in zip(same(*given), call(*given), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


@torch.no_grad()
def test_keeps_the_channels_that_matter(call, given):
    """Channels that are always zero are the ones left out, which changes nothing."""
    live = FaceUpsamplerNet()
    live.load_state_dict(call.state_dict())
    rng = np.random.default_rng(0)
    for tower, count in ((live.predictor.visual.net, 80), (live.predictor.fuse8, 104)):
        idle = rng.permutation(tower[0].out_channels)[:count]
        for conv in (m for m in tower.modules() if isinstance(m, torch.nn.Conv2d)):
            conv.weight[idle] = 0
            conv.bias[idle] = 0
    small = shrunk(live.eval(), lambda: live(*given), FaceUpsamplerConfig(visual=48, p8=88)).eval()
    for mine, theirs in zip(small(*given), live(*given), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_the_keyframes_features_are_shared_unchanged(call, given):
    small = shrunk(call, lambda: call(*given))
    theirs, own = call.state_dict(), own_parameters(small)
    for name, parameter in small.named_parameters():
        shared = name.startswith(SHARED)
        assert shared is not any(parameter is p for p in own)
        if shared:
            assert torch.equal(parameter, theirs[name]), name
    assert small.config == SMALL
    assert sum(p.numel() for p in own) < 1.5e6
