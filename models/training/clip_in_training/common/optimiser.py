"""AdamW with a warm-up and a cosine, as CLIP is trained."""

import math

import torch
from torch import nn

from clip_in_training.common.recipe import OptimiserRecipe


def build_optimiser(modules: list[nn.Module], recipe: OptimiserRecipe) -> torch.optim.AdamW:
    """Weight decay for matrices and kernels only: decaying norms, biases or the logit scale helps nothing."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=tuple(recipe.betas), fused=True)


def learning_rate(step: int, steps: int, recipe: OptimiserRecipe) -> float:
    """The rate of a step (from 0): linear up to the peak, then half a cosine down to zero."""
    return recipe.learning_rate * share_of_rate(step, steps, recipe.warmup_fraction)


def share_of_rate(step: int, steps: int, warmup_fraction: float) -> float:
    """The rate of a step relative to its peak."""
    warmup = max(1, round(steps * warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
