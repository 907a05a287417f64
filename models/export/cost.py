"""What a frame costs, computed only from shapes: GFLOP, a multiplication and an addition being two operations.

Convolutions and matrix products are counted, as is usual; what depends only on the keyframe is
computed once and is not counted.
"""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.networks.small import SMALL
from models.paper.network import PaperConfig, PaperNetwork


def gflop(run: Callable[..., object], *shapes: tuple[int, ...]) -> float:
    """GFLOP of ``run`` on inputs of ``shapes``, a network or its method, made under ``torch.device("meta")``."""
    inputs = [torch.zeros(shape, device="meta") for shape in shapes]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*inputs)
    return counter.get_total_flops() / 1e9


def call_gflop(config: FaceUpsamplerConfig | None = None) -> float:
    """GFLOP of one 256×256 frame of ``call``, or of a network like it."""
    with torch.device("meta"):
        model = FaceUpsamplerNet(config)
    keyframe = (1, 3, 256, 256)
    return gflop(model, keyframe, (1, 5, 3, 8, 8), (1, 20, 80)) - gflop(model.set_identity, keyframe)


def small_gflop() -> float:
    """GFLOP of one 256×256 frame of ``small``."""
    return call_gflop(SMALL)


def paper_gflop(config: PaperConfig) -> float:
    """GFLOP of one 256×256 frame of the paper's network, in windows of five."""
    with torch.device("meta"):
        model = PaperNetwork(config).eval()
    five, ten = (gflop(model, (1, 3, 256, 256), (1, t, 3, 8, 8), (1, 4 * t, 80)) for t in (5, 10))
    return (ten - five) / 5
