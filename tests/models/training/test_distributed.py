"""Two processes that average their gradients learn the same as one process with both batches together.

Run as a script, with the environment that ``torchrun`` sets, this file is one of those processes.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.networks.face_upsampler import FaceUpsamplerConfig, FaceUpsamplerNet
from models.training.distributed import BUCKET, Group, join

ROOT = Path(__file__).parents[3]
STEPS, BATCH = 3, 4


def tiny() -> FaceUpsamplerNet:
    torch.manual_seed(11)
    model = FaceUpsamplerNet(FaceUpsamplerConfig(c128=4, c64=4, c32=4, c16=8, c8=8, visual=8, audio=4, generator=4))
    for parameter in model.parameters():  # layers that start at zero would block the gradients of earlier layers
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


def train(model: FaceUpsamplerNet, group: Group) -> None:
    """A few steps through ``coarse``, as in the trainer. The generator gets no gradients."""
    # At a higher rate rounding errors grow a hundredfold each step, also in one process that adds up two halves.
    optimiser = torch.optim.SGD(model.parameters(), 0.005, momentum=0.9)
    for step in range(STEPS):
        torch.manual_seed(100 + step)
        whole = (
            torch.rand(BATCH, 3, 64, 64),
            torch.rand(BATCH, 5, 3, 8, 8),
            torch.randn(BATCH, 20, 80),
            torch.rand(BATCH, 3, 64, 64),
        )
        keyframe, pictures, mel, truth = (x.chunk(group.world)[group.rank] for x in whole)
        out, warped, _ = model.coarse(keyframe, pictures, mel)
        optimiser.zero_grad(set_to_none=True)
        ((out - truth).square().mean() + (warped - truth).square().mean()).backward()
        group.average(model.parameters())
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
        optimiser.step()


def as_process(folder: Path) -> None:
    torch.set_num_threads(1)
    group = join()
    model = tiny()
    if not group.first:
        for parameter in model.parameters():
            parameter.data += 1.0  # the broadcast must replace them with the first process's weights
    group.broadcast(model)
    train(model, group)
    figures = group.mean({"loss": float(group.rank), "other": 3.0})
    torch.save({"model": model.state_dict(), "figures": figures, "group": (group.rank, group.world)}, folder / f"{group.rank}.pt")
    group.barrier()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_two_processes_learn_the_same_as_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # The environment of torchrun without its process: importing torch takes most of this test's time.
    settings = os.environ | {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    command = [sys.executable, __file__, str(tmp_path)]
    running = [
        subprocess.Popen(command, env=settings | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    try:
        ends = [process.communicate(timeout=120)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], ends
    a, b = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert (a["group"], b["group"]) == ((0, 2), (1, 2))
    assert a["figures"] == b["figures"] == {"loss": 0.5, "other": 3.0}
    alone = tiny()
    begun = {name: value.clone() for name, value in alone.state_dict().items()}
    train(alone, Group())
    for name, value in alone.state_dict().items():
        assert torch.equal(a["model"][name], b["model"][name])
        assert torch.allclose(a["model"][name], value, rtol=0, atol=2e-6), name
    moved = [float((begun[name] - value).abs().max()) for name, value in alone.state_dict().items()]
    assert max(moved) > 1e-3
    assert sum(m > 2e-5 for m in moved) > 30


def test_a_single_process_changes_nothing(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    group = join()
    assert group == Group()
    assert group.first
    assert group.seed(7) == 7
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    group.average([parameter])
    group.barrier()
    assert parameter.grad.tolist() == [1, 1, 1]
    assert group.mean({"a": 2.0}) == {"a": 2.0}


def test_gradients_of_all_sizes_and_layouts_are_averaged(monkeypatch):
    """Buckets, a tensor larger than a bucket, channels last, and a missing gradient, with a stand-in for
    the other process."""
    sent = []

    def doubled(tensor):
        sent.append(tensor.numel())
        tensor *= 4

    monkeypatch.setattr(torch.distributed, "all_reduce", doubled)
    shapes = [(5, 3, 3, 3), (BUCKET + 1,), (7,), (), (2, 2)]
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for parameter in parameters[:-1]:
        parameter.grad = torch.rand(parameter.shape)
    parameters[0].grad = parameters[0].grad.contiguous(memory_format=torch.channels_last)
    before = [p.grad.clone() for p in parameters[:-1]]
    Group(1, 2).average(parameters)
    assert sent == [135, BUCKET + 1, 8]
    assert parameters[-1].grad is None
    assert all(torch.equal(p.grad, 2 * g) for p, g in zip(parameters, before, strict=False))


def test_seeds_differ_by_process():
    assert len({Group(rank, 8).seed(0) for rank in range(8)}) == 8
    assert not Group(1, 2).first


if __name__ == "__main__":
    as_process(Path(sys.argv[1]))
