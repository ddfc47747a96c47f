"""Several processes that train one network: who takes which samples, and sums over all of them.

Started by torchrun, a process finds its place in the environment; alone it is a group of one, and nothing here does
anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributed as dist

from mtcnn_fast.errors import ConfigError

#: One process makes samples while the others wait for it, which can take hours.
PATIENCE = datetime.timedelta(days=2)


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes that share a minibatch.

    Attributes
    ----------
    rank : int
        This process's number; 0 writes the files.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Return this process's samples among `count`: contiguous, none lost or doubled, of nearly equal size."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def gather(self, values: Tensor, count: int) -> Tensor:
        """Put the parts of all processes together, in the order of the minibatch.

        Parameters
        ----------
        values : Tensor of shape (k,)
            This process's part, without a gradient.
        count : int
            Length of the whole.

        Returns
        -------
        Tensor of shape (count,)
        """
        if self.size == 1:
            return values.detach()
        # A sum of vectors that are zero outside the own part is exact, and works for parts of different lengths.
        whole = values.new_zeros(count)
        whole[self.part(count)] = values.detach()
        return self.sum(whole)

    def sum(self, values: Tensor) -> Tensor:
        """Add a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.size > 1:
            dist.barrier()

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network so that a backward pass averages the gradients over the processes."""
        if self.size == 1:
            return network
        devices = [device] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)


def _is_initialized() -> bool:
    return bool(dist.is_available()) and dist.is_initialized()


def current_group() -> ProcessGroup:
    """Return the group that this process is in, one alone if it joined none."""
    if _is_initialized():
        return ProcessGroup(dist.get_rank(), dist.get_world_size())
    return ProcessGroup()


@contextlib.contextmanager
def joined_group(device: str) -> Iterator[ProcessGroup]:
    """Join the processes started by torchrun for the length of the block; nccl on CUDA devices, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _is_initialized():
        yield current_group()
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        group = current_group()
        # Before anything is exchanged, so that each process has a CUDA device of its own.
        torch_device(device, group)
        yield group
    finally:
        dist.destroy_process_group()


def torch_device(device: str, group: ProcessGroup) -> torch.device:
    """Return the device to train on; ``cuda`` in a group means one device a process.

    Raises
    ------
    ConfigError
        If torch does not know the device or cannot use it here.
    """
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"device must be cpu, cuda or cuda:N, got {device!r}") from None
    if found.type not in ("cpu", "cuda"):
        raise ConfigError(f"device must be cpu, cuda or cuda:N, got {device!r}")
    if found.type == "cpu":
        return found
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    own = ":" not in device and group.size > 1
    index = int(os.environ.get("LOCAL_RANK", "0")) if own else found.index or 0
    if index >= count:
        raise ConfigError(f"device {device!r} asks for CUDA device {index}, and torch finds {count} here")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
