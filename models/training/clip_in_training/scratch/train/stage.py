"""The common part of both stages: batches prepared one step ahead, and the gradient of their terms."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from clip_in_training.common.autocast import autocast
from clip_in_training.common.errors import CheckpointError
from clip_in_training.common.loop import NotANumber
from clip_in_training.common.recipe import OptimiserRecipe


class ScratchStage(ABC):
    """A stage of `common.loop`. All its randomness is seeded with the step number, so resuming is exact."""

    def __init__(
        self,
        name: str,
        steps: int,
        optimiser_recipe: OptimiserRecipe,
        precision: str,
        modules: dict[str, nn.Module],
    ):
        """`modules` are trained and stored in the checkpoint under their names."""
        self.name, self.steps, self.optimiser_recipe, self.modules = name, steps, optimiser_recipe, modules
        self.autocast = autocast(precision, torch.device("cpu"))

    @abstractmethod
    def batch(self, step: int) -> dict[str, Any]:
        """Makes the inputs of a step, "names" among them; called one step ahead, in another thread."""

    @abstractmethod
    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The loss terms, among them "loss", and other values for the curves."""

    def inputs(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """Yields the batches of some steps; the next one is prepared while the current one is in use."""
        for module in self.modules.values():
            module.train()
        with ThreadPoolExecutor(max_workers=1) as pool:
            following = [pool.submit(self.batch, step) for step in range(first, min(first + 1, last))]
            for step in range(first, last):
                batch = following.pop().result()
                if step + 1 < last:
                    following.append(pool.submit(self.batch, step + 1))
                yield batch

    def gradient(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Runs forward and backward and returns all terms, detached. Raises `NotANumber`."""
        with self.autocast():
            terms = self.terms(batch)
        if not torch.isfinite(terms["loss"]):
            raise NotANumber([])
        terms["loss"].backward()
        return {name: term.detach() for name, term in terms.items()}

    def stepped(self) -> None:  # noqa: B027
        """Does nothing: there is no state beside the weights."""

    def names(self, batch: dict[str, Any]) -> list[str]:
        """The origin of each image."""
        return batch["names"]

    def state(self) -> dict[str, Any]:
        """The weights of each module."""
        return {name: module.state_dict() for name, module in self.modules.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores the weights. Raises `CheckpointError` if they belong to another model."""
        try:
            for name, module in self.modules.items():
                module.load_state_dict(state[name])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint is of another model: {error}") from error
