"""A function in two processes at once, as torchrun would start them."""

import multiprocessing
from collections.abc import Callable

from torch.multiprocessing import start_processes

# Loaded once, by the process that both are forked from: each would load them for eight seconds otherwise.
multiprocessing.set_forkserver_preload(["torch", "open_clip", "clip_in_training.finetune.stages.run"])


def run_in_two_processes(function: Callable[..., None], *arguments: object) -> None:
    """Calls `function(rank, *arguments)` for the ranks 0 and 1 and waits for both; raises what one of them raised."""
    start_processes(function, args=arguments, nprocs=2, start_method="forkserver")
