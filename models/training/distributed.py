"""One training run on many GPUs, started by ``torchrun``: every process trains on its own batches,
gradients are averaged.

Not ``DistributedDataParallel``, because that hooks into ``forward`` and the stages call other
methods of their networks; for models of 10 to 150 M parameters its overlap with the backward pass
would save a few milliseconds. The mean of the gradients over all processes is that of one process
with all their batches together. Outside ``torchrun`` everything here does nothing.
"""

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 8 << 20
"""Numbers that are sent at once: many small tensors would each wait for the network."""
PATIENCE = timedelta(hours=2)
"""How long the others wait while the first process evaluates or prepares."""


@dataclass(frozen=True)
class Group:
    """This process's place: ``rank`` of ``world``, ``local`` on its machine. The default is a single process."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that saves, evaluates and reports."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """``seed`` for what must differ between processes, such as their batches; the first process keeps it."""
        return seed + 1_000_003 * self.rank

    def device(self) -> torch.device:
        """This process's own GPU where there are any, else the CPU."""
        return torch.device("cuda", self.local) if torch.cuda.is_available() else torch.device("cpu")

    def barrier(self) -> None:
        """Wait until every process has reached this call."""
        if self.world > 1:
            dist.barrier()

    @torch.no_grad()
    def broadcast(self, *modules: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.world > 1:
            for module in modules:
                for tensor in (*module.parameters(), *module.buffers()):
                    # As a contiguous copy, because memory is sent as it is, and its order may differ (channels last).
                    sent = tensor.detach().clone(memory_format=torch.contiguous_format)
                    dist.broadcast(sent, 0)
                    tensor.copy_(sent)

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, after ``backward`` and before clipping.

        Every process must have gradients for the same parameters; those without any are skipped.
        """
        if self.world == 1:
            return
        bucket: list[Tensor] = []
        size = 0
        for grad in [p.grad for p in parameters if p.grad is not None]:
            if bucket and (size + grad.numel() > BUCKET or grad.dtype != bucket[0].dtype):
                self._reduce(bucket)
                bucket, size = [], 0
            bucket.append(grad)
            size += grad.numel()
        if bucket:
            self._reduce(bucket)

    def _reduce(self, grads: list[Tensor]) -> None:
        joined = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(joined)
        joined /= self.world
        for grad, part in zip(grads, joined.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view(grad.shape))

    def mean(self, figures: dict[str, float]) -> dict[str, float]:
        """The mean of each figure over all processes, which must pass the same names in the same order."""
        if self.world == 1:
            return figures
        values = torch.tensor(list(figures.values()), dtype=torch.float32, device=self.device())
        dist.all_reduce(values)
        return dict(zip(figures, (values / self.world).tolist(), strict=True))


def join() -> Group:
    """This process's place as set by ``torchrun`` (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``); without
    it, a single process.

    The first call connects the processes: by NCCL where there are GPUs, else by gloo. Raises
    ``ValueError`` when there are fewer GPUs than processes on this machine.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Group()
    group = Group(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    if torch.cuda.is_available():
        if group.local >= torch.cuda.device_count():
            raise ValueError(f"process {group.local} on this machine has no GPU of its own: {torch.cuda.device_count()} are here")
        torch.cuda.set_device(group.local)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
        atexit.register(leave)
    return group


def leave() -> None:
    """Disconnect from the other processes. Called automatically when the process ends."""
    if dist.is_initialized():
        dist.destroy_process_group()
