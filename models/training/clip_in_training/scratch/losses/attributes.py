"""Cross-entropy on the attributes of a drawn scene."""

import torch
from torch import Tensor
from torch.nn import functional

UNKNOWN = -100
"""Label of an attribute that a scene does not have; it does not contribute to the loss."""


def attribute_loss(logits: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Mean over attributes of the cross-entropy.

    `logits`: [batch, values] by attribute; `labels`: int64 [batch, attributes] in the same order, `UNKNOWN`
    allowed. An attribute that is unknown in the whole batch is left out of the mean.
    """
    terms = []
    for column, scores in enumerate(logits.values()):
        if (labels[:, column] != UNKNOWN).any():
            terms.append(functional.cross_entropy(scores, labels[:, column], ignore_index=UNKNOWN))
    if not terms:
        return next(iter(logits.values())).sum() * 0
    return torch.stack(terms).mean()
