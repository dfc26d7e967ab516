"""The processes of a training: one by itself, or what `torchrun` started on one or many machines."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from clip_in_training.common.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """Which process this is, and where it computes."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this one writes files and talks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> float:
        """The mean over processes of a scalar; not a number if it is none anywhere. All must call it."""
        value = value.detach().float()
        if self.world > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value.item() / self.world

    def wait(self) -> None:
        """Returns when all processes are here."""
        if self.world > 1:
            distributed.barrier()


def start(device: str) -> Processes:
    """Joins the processes that `torchrun` started (RANK, WORLD_SIZE, LOCAL_RANK), if it did: over NCCL on
    cards, over Gloo on CPUs. `device`: auto | cpu | cuda. Raises `TrainingError` if there is no card.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError('the recipe says `device = "cuda"`, but PyTorch sees no card here')
    cuda = device == "cuda" or (device == "auto" and available)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    where = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(where)
    if world > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
    return Processes(int(os.environ.get("RANK", "0")) if world > 1 else 0, world, where)


def stop() -> None:
    """Leaves the group of processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
