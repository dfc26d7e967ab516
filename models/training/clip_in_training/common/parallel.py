"""Gradients averaged over processes."""

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from clip_in_training.common.processes import Processes


def parallel(module: nn.Module, processes: Processes) -> nn.Module:
    """DDP around a module if there are several processes, else the module."""
    if processes.world == 1:
        return module
    cards = [processes.device] if processes.device.type == "cuda" else None
    # A batch without long captions does not use the text encoder, and some backbones have parts that no vector
    # depends on (the demo's patches), so DDP must look for unused parameters. Buffers do not change (see
    # `train_mode`).
    return DistributedDataParallel(
        module, device_ids=cards, find_unused_parameters=True, broadcast_buffers=False
    )
