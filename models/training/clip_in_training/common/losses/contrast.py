"""Contrastive losses between anchors and a pool: the softmax of CLIP or the pair-wise sigmoid of SigLIP."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Contrast = Callable[..., Tensor]
"""Maps (anchors, pool, scale, bias, equal, offsets) to a scalar. The partner of anchor i is row i of the pool, which
may be longer. `equal`, bool [anchors, pool] or None, marks entries that must not count as negatives (see
`equal_pairs`). `offsets`, [anchors, pool] or None, is added to the logits: above 0 a negative counts for more, -inf
leaves it out.
"""


def equal_pairs(own: Tensor | None, pool: Tensor | None) -> Tensor | None:
    """bool [anchors, pool]: entries with the same caption as an anchor's partner, except the partner itself. As
    negatives they would be false negatives.

    `own` int64 [anchors] and `pool` int64 [pool] are keys of captions: equal keys mean equal captions. None if
    either of them is None.
    """
    if own is None or pool is None:
        return None
    equal = own[:, None] == pool[None, :]
    equal.diagonal().fill_(False)
    return equal


def softmax_contrast(
    anchors: Tensor,
    pool: Tensor,
    scale: Tensor | float,
    bias: Tensor | float = 0,
    equal: Tensor | None = None,
    offsets: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of each anchor's logits over the pool. A bias would cancel out, so it is ignored."""
    target = torch.arange(len(anchors), device=anchors.device)
    logits = scale * anchors @ pool.T
    if offsets is not None:
        logits = logits + offsets
    if equal is not None:
        logits = logits.masked_fill(equal, -torch.inf)
    return functional.cross_entropy(logits, target)


def sigmoid_contrast(
    anchors: Tensor,
    pool: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    equal: Tensor | None = None,
    offsets: Tensor | None = None,
) -> Tensor:
    """-Σ log σ(±(scale · cosine + bias)) over all pairs, divided by the anchors, as in SigLIP (arXiv
    2303.15343, and open_clip's SigLipLoss): + for partners, - for all others.
    """
    logits = scale * anchors @ pool.T + bias
    if offsets is not None:
        logits = logits + offsets
    signs = 2 * torch.eye(*logits.shape, dtype=logits.dtype, device=logits.device) - 1
    terms = functional.logsigmoid(signs * logits)
    if equal is not None:
        terms = terms.masked_fill(equal, 0)
    return -terms.sum() / len(anchors)


CONTRASTS: dict[str, Contrast] = {"softmax": softmax_contrast, "sigmoid": sigmoid_contrast}
"""The loss by `Backbone.family`."""


def both_ways(
    contrast: Contrast,
    a: Tensor,
    b: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    keys: Tensor | None = None,
    offsets: Tensor | None = None,
) -> Tensor:
    """½ [a finds b + b finds a]: CLIP's loss with the softmax, SigLIP's with the sigmoid. `keys`: keys of
    captions; `offsets`: symmetric, added to the logits of both directions.
    """
    equal = equal_pairs(keys, keys)
    return (contrast(a, b, scale, bias, equal, offsets) + contrast(b, a, scale, bias, equal, offsets)) / 2
