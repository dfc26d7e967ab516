"""An image chooses its own caption among captions that say another value of one attribute."""

import torch
from torch import Tensor


def changed_caption_loss(images: Tensor, texts: Tensor, owner: Tensor, scale: Tensor) -> Tensor:
    """Mean over images of the cross-entropy of the first caption of each.

    `images` [batch, embedding_dim] and `texts` [captions, embedding_dim], normalised; `owner` int64 [captions]: the
    image that a caption is asked of, in ascending order, each at least once.
    """
    logits = scale * (images[owner] * texts).sum(-1)
    batch = len(images)
    # Log-sum-exp over the captions of each image; images have different numbers of them.
    largest = torch.full((batch,), -torch.inf, dtype=logits.dtype).scatter_reduce(
        0, owner, logits.detach(), "amax"
    )
    total = torch.zeros(batch, dtype=logits.dtype).index_add(0, owner, (logits - largest[owner]).exp())
    first = torch.ones_like(owner, dtype=torch.bool)
    first[1:] = owner[1:] != owner[:-1]
    return (total.log() + largest - logits[first]).mean()
