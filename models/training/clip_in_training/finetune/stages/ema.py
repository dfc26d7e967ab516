"""The moving average of the weights that train (Polyak averaging): smoother than the last step's weights, and nearer
to the start's.
"""

from collections.abc import Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from clip_in_training.common.errors import CheckpointError


class MovingAverage:
    """Copies of the parameters that train, on their device: average ← decay · average + (1 - decay) · weight.

    In the first steps the decay is smaller, (1 + steps) / (10 + steps), so that the start's weights are forgotten.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay, self.steps = decay, 0
        self.weights = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """After a step of the optimiser."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.average.values()), list(self.weights.values()), 1 - decay)

    @contextmanager
    def in_place(self):
        """Inside, the module has the averaged weights."""
        kept = {name: p.detach().clone() for name, p in self.weights.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.weights.items():
            parameter.copy_(values[name])

    def state(self) -> dict[str, Tensor | int]:
        """What a checkpoint keeps, on the CPU."""
        return {"steps": self.steps} | {name: v.to("cpu", copy=True) for name, v in self.average.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor | int]) -> None:
        """Goes on from `state`. Raises `CheckpointError` if it is of other parameters."""
        if state.keys() - {"steps"} != self.average.keys():
            raise CheckpointError("the checkpoint's averaged weights are those of another recipe")
        self.steps = int(state["steps"])
        for name, value in self.average.items():
            value.copy_(torch.as_tensor(state[name]))
