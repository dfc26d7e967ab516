"""Trains patch vectors to match texts, so that a heat map shows where a description fits.

The score of an image and a text is the mean similarity of the text's best patches, as in token-wise matching
(FILIP, arXiv 2111.07783). No boxes or masks are needed, because the text selects the best patches.
"""

import torch
from torch import Tensor
from torch.nn import functional

BEST = 6
"""Number of patches that count. A single one is noisy; all of them would leave no room for other objects."""


def patch_loss(patches: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """Symmetric CLIP loss on patch scores.

    `patches` [batch, patches, embedding_dim] and `texts` [batch, embedding_dim], normalised. This loss does not
    train the texts (pass them detached): their space is that of the global loss.
    """
    similarity = torch.einsum("ipd,td->itp", patches, texts)
    best = similarity.topk(min(BEST, similarity.shape[-1]), dim=-1).values.mean(dim=-1)
    logits = scale * best
    target = torch.arange(len(texts), device=texts.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
