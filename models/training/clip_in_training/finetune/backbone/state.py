"""What a checkpoint keeps of a backbone."""

from collections.abc import Mapping

import torch
from torch import Tensor

from clip_in_training.common.errors import CheckpointError
from clip_in_training.finetune.backbone.backbone import Backbone


def state_of(backbone: Backbone) -> dict[str, Tensor]:
    """A copy of all weights on the CPU, adapters included.

    The frozen ones too: stage 1 may have changed them, and a run folder then needs no other file.
    """
    return {name: value.detach().to("cpu", copy=True) for name, value in backbone.state_dict().items()}


def restore(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    """Puts the weights of `state_of` into a backbone of the same recipe: loaded by it, and made `trainable`
    by it where that adds adapters. Raises `CheckpointError`, with the backbone untouched, if they do not fit.
    """
    own = backbone.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    problems = [
        *(f"{name} is missing" for name in missing),
        *(f"{name} is not known" for name in unknown),
        *shapes,
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(
            f"the checkpoint is of another backbone or recipe: {'; '.join(problems[:3])}{more}"
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])
