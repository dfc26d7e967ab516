"""Weights between those of two models (WiSE-FT, arXiv 2109.01903): what was taught, with less forgotten."""

import copy

import torch

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone


@torch.no_grad()
def between(start: Backbone, trained: Backbone, share: float) -> Backbone:
    """A copy of `trained` with start + share · (trained - start) for every weight; adapters must be merged.

    Raises `BackboneError` if the two are not of one architecture.
    """
    made = copy.deepcopy(trained)
    begun = start.state_dict()
    ended = made.state_dict()
    if {n: v.shape for n, v in begun.items()} != {n: v.shape for n, v in ended.items()}:
        raise BackboneError("the start of the fine-tuning is another architecture than what was trained")
    for name, value in ended.items():
        if value.is_floating_point():
            value.copy_(torch.lerp(begun[name].to(value), value, share))
    return made
