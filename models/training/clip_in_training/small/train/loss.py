"""CLIP's loss on both sides of edits in one pool, without negatives that are true."""

import torch
from torch import Tensor
from torch.nn import functional


def also_true(labels: Tensor, stated: Tensor, texts: list[str]) -> Tensor:
    """bool [texts, pictures]: which other pictures of the batch a text is true of.

    `labels` [batch, columns] of what was drawn, negative for composed scenes, of which only equal texts are known to
    be true; `stated` bool [batch, columns] what each text determines. The diagonal is False.
    """
    agree = (labels[:, None] == labels[None]) | ~stated[:, None]
    drawn = labels[:, 0] >= 0
    true = agree.all(-1) & drawn[:, None] & drawn[None]
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    same = torch.tensor([first[text] for text in texts])
    true |= same[:, None] == same[None]
    return true.fill_diagonal_(False)


def pool_loss(images: Tensor, texts: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Symmetric CLIP loss of unit vectors [batch, width]; pairs of `true` [texts, pictures] are no negatives."""
    logits = (scale * texts @ images.T).masked_fill(true, float("-inf"))
    target = torch.arange(len(logits))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def within_loss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss within each edit: unit vectors [2 x edits, width], all sources, then their edits.

    In the pool an edit's other side is one negative of many; here it is the only one.
    """
    images, texts = (vectors.unflatten(0, (2, -1)).transpose(0, 1) for vectors in (images, texts))
    logits = scale * texts @ images.transpose(1, 2)
    target = torch.arange(2).expand(len(logits), 2)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.mT, target)) / 2
