"""Batches made ahead of time, in processes of their own."""

import multiprocessing
from collections.abc import Iterator
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.broken import Tally
from clip_in_training.finetune.recipe import TuningRecipe

PREFETCH = 2
"""Batches that each worker makes ahead."""


class Steps(Protocol):
    """What a loader reads ahead: an object that makes something of each step, such as `Batches`."""

    recipe: TuningRecipe
    tally: Tally


class Loader:
    """What `batches` makes for a range of steps, in order; the number of workers changes nothing but speed.

    What is broken is counted in the tally of the process that iterates, which may raise `DataError`.
    """

    def __init__(
        self, batches: Steps, method: str, steps: range, *arguments, start_method: str | None = None
    ):
        """`method` of `batches` is called with a step and `arguments`.

        Workers are forked where the system can: a preprocessing that is a closure cannot be pickled.
        `start_method` chooses another way.
        """
        recipe = batches.recipe
        self.tally = batches.tally
        methods = multiprocessing.get_all_start_methods()
        start = start_method or ("fork" if "fork" in methods else methods[0])
        self.loader = DataLoader(
            _Steps(batches, method, steps, arguments),
            batch_size=None,
            num_workers=recipe.workers,
            prefetch_factor=PREFETCH if recipe.workers else None,
            pin_memory=recipe.device != "cpu" and torch.cuda.is_available(),
            multiprocessing_context=start if recipe.workers else None,
        )

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator:
        for item in self.loader:
            if isinstance(item, DataError):
                raise item
            self.tally.add(item.read, item.broken, item.truncated)
            yield item


class _Steps(Dataset):
    """A step at each index."""

    def __init__(self, batches: Steps, method: str, steps: range, arguments: tuple):
        self.batches, self.method, self.steps, self.arguments = batches, method, steps, arguments

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int):
        # As a value: raised in a worker, it would arrive with a traceback as its message.
        try:
            return getattr(self.batches, self.method)(self.steps[index], *self.arguments)
        except DataError as error:
            return error
