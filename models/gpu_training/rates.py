"""How many calls' frames a second a GPU renders in one batch: the network's step in fp16, replayed as a CUDA graph."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from models.gpu_training.train import CONFIGS
from models.networks.blocks import channels_last
from models.networks.face_upsampler import FaceUpsamplerNet

CALLS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Rate:
    """``frames``: frames a second of all calls together; ``live``: how many times 25 FPS that is for each call."""

    calls: int
    milliseconds: float
    frames: float

    @property
    def live(self) -> float:
        return self.frames / self.calls / 25


def measure(network: str, seconds: float) -> Iterator[Rate]:
    """Rates for each of :data:`CALLS`, measured for ``seconds``. Raises ``ValueError`` where there is no CUDA GPU."""
    if not torch.cuda.is_available():
        raise ValueError("there is no CUDA GPU here")
    model = FaceUpsamplerNet(CONFIGS[network]).eval().cuda().half()
    attend = model.predictor.attend
    attend.grid = attend.grid.float()  # positions must not be rounded to fp16
    channels_last(model)
    for calls in CALLS:
        yield _rate(model, calls, seconds)


@torch.no_grad()
def _rate(model: FaceUpsamplerNet, calls: int, seconds: float) -> Rate:
    def random(*shape: int) -> torch.Tensor:
        return torch.rand(calls, *shape, device="cuda", dtype=torch.float16)

    with torch.autocast("cuda", torch.float16):
        parts = model.set_identity(random(3, 256, 256).contiguous(memory_format=torch.channels_last))
    given = random(5, 3, 8, 8), random(20, 80), random(3, 64, 64)
    shape = random(2, 54, 2)

    def render() -> torch.Tensor:
        with torch.autocast("cuda", torch.float16, cache_enabled=False):
            picture = model.step(parts, *given, shape=shape)[0]
        return picture.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # type: ignore[no-untyped-call]
        for _ in range(3):
            render()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        render()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(10):
            graph.replay()
        torch.cuda.synchronize()
        count += 10
    each = (time.perf_counter() - began) / count
    return Rate(calls, each * 1000, calls / each)
