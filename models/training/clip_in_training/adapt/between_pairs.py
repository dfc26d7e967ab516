"""What pairs say about one another: which defect it is, and that a good part has none of them.

Within a pair, a defect is set against a good part only. So a model learns that a part is damaged, and not how. Here
each changed picture prefers its own caption to those of other facts (kinds of defect, or other captions where kinds
are not given), each such caption its own picture, and each good picture its own caption to all that say a change.
Pairs of the same fact are never set against each other: their captions may all be true.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def numbered(facts: Sequence[str]) -> Tensor:
    """int64 [pairs]: equal facts, equal numbers."""
    names = {name: number for number, name in enumerate(sorted(set(facts)))}
    return torch.tensor([names[fact] for fact in facts], dtype=torch.int64)


def between_pairs(images: Tensor, texts: Tensor, facts: Tensor, scale: Tensor) -> Tensor:
    """The mean of log(1 + Σ exp(other - own)) over good pictures, and that over changed pictures and their captions.

    In the sum, the mean over the pairs of a fact counts once. `images` and `texts` are [pairs, 2, embedding_dim],
    normalised, side 1 being the changed one; `facts` are [pairs]. Pairs of one fact alone have no other: only the
    good pictures count then. Returns a scalar.
    """
    same = facts[:, None] == facts[None]
    # A fact with many pairs would otherwise push others away more than one with few.
    counted = same.sum(0).to(images).log()
    good = scale * images[:, 0] @ texts[:, 1].T
    loss = _lead(scale * (images[:, 0] * texts[:, 0]).sum(-1), good - counted)
    if same.all():  # A sum over nothing has no gradient.
        return loss
    changed = scale * images[:, 1] @ texts[:, 1].T
    own, others = changed.diagonal(), changed.masked_fill(same, -torch.inf)
    return loss + (_lead(own, others - counted) + _lead(own, others.T - counted)) / 2


def _lead(own: Tensor, others: Tensor) -> Tensor:
    return functional.softplus(torch.logsumexp(others, dim=1) - own).mean()
