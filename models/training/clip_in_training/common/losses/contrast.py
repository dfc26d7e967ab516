"""How well anchors find their partners in a pool: the softmax of CLIP, or the pair-wise sigmoid of SigLIP."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Contrast = Callable[[Tensor, Tensor, Tensor | float, Tensor | float], Tensor]
"""(anchors, pool, scale, bias) to a scalar. Partner of anchor i is row i of the pool, which may be longer."""


def softmax_contrast(
    anchors: Tensor, pool: Tensor, scale: Tensor | float, bias: Tensor | float = 0
) -> Tensor:
    """Mean cross-entropy of each anchor's logits over the pool. A bias would cancel out: it is not used."""
    target = torch.arange(len(anchors), device=anchors.device)
    return functional.cross_entropy(scale * anchors @ pool.T, target)


def sigmoid_contrast(anchors: Tensor, pool: Tensor, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    """-Σ log σ(±(scale · cosine + bias)) over all pairs, divided by the anchors, as in SigLIP (arXiv
    2303.15343, and open_clip's SigLipLoss): + for partners, - for all others.
    """
    logits = scale * anchors @ pool.T + bias
    signs = 2 * torch.eye(*logits.shape, dtype=logits.dtype, device=logits.device) - 1
    return -functional.logsigmoid(signs * logits).sum() / len(anchors)


CONTRASTS: dict[str, Contrast] = {"softmax": softmax_contrast, "sigmoid": sigmoid_contrast}
"""By `Backbone.family`."""


def both_ways(
    contrast: Contrast, a: Tensor, b: Tensor, scale: Tensor | float, bias: Tensor | float
) -> Tensor:
    """½ [a finds b + b finds a]: with the softmax CLIP's loss, with the sigmoid SigLIP's."""
    return (contrast(a, b, scale, bias) + contrast(b, a, scale, bias)) / 2
