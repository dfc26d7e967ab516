"""The processes of a training: a single one, or those that `torchrun` started on one or more machines."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from clip_in_training.common.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """The rank of this process and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def mean(self, value: Tensor) -> float:
        """The mean of a scalar over all processes; not a number if it is none on any of them. All must call
        this.
        """
        value = value.detach().float()
        if self.world > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value.item() / self.world

    def wait(self) -> None:
        """Waits until all processes have reached this point."""
        if self.world > 1:
            distributed.barrier()


def start(device: str) -> Processes:
    """Joins the process group if `torchrun` started this process (RANK, WORLD_SIZE, LOCAL_RANK): over NCCL on GPUs,
    over Gloo on CPUs. `device`: auto | cpu | cuda. Raises `TrainingError` if there is no GPU.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError('the recipe says `device = "cuda"`, but PyTorch finds no GPU')
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
    """Leaves the process group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
