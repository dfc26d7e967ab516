"""AdamW's parameter groups and learning rates: warm-up and cosine decay, as for CLIP."""

import math

from torch import nn

from clip_in_training.common.recipe import OptimiserRecipe


def decayed_groups(modules: list[nn.Module], recipe: OptimiserRecipe) -> list[dict]:
    """AdamW's parameter groups with one peak rate. Weight decay applies to matrices and kernels only; it does not
    help norms, biases or the logit scale.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    matrices, rest = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
    return [
        {"params": matrices, "lr": recipe.learning_rate, "weight_decay": recipe.weight_decay},
        {"params": rest, "lr": recipe.learning_rate, "weight_decay": 0.0},
    ]


def share_of_rate(step: int, steps: int, warmup_fraction: float) -> float:
    """The rate of a step relative to its peak."""
    warmup = max(1, round(steps * warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
