"""L_HN of CLIP-IN (arXiv 2508.02329): the two sides of an edit are hard negatives of each other.

L_HN = L_HN^I + L_HN^T. The image-anchored half is TripletCLIP's loss (arXiv 2411.02545). CLIP-IN adds the
text-anchored half, in which the modalities swap roles. NegCLIP (arXiv 2210.01936) is the source side of the first
half.

The paper does not define L_HN for SigLIP's sigmoid. This implementation uses the same sums over the same extended
pools and replaces each cross-entropy with the pair-wise sigmoid. Without negatives this is SigLIP's loss.
"""

import torch
from torch import Tensor, nn

from clip_in_training.common.losses.contrast import CONTRASTS, Contrast, equal_pairs, softmax_contrast


def negclip(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    scale: Tensor | float,
    bias: Tensor | float = 0,
    contrast: Contrast = softmax_contrast,
    keys: Tensor | None = None,
    negative_keys: Tensor | None = None,
) -> Tensor:
    """½ [CE(scale · [V Uᵀ | V U⁻ᵀ], diagonal) + CE(scale · U Vᵀ, diagonal)].

    All tensors are [pairs, embedding_dim], normalised; row i of one belongs to row i of the others. Every negative
    of the batch joins the pool of every anchor. The second term has no negatives beyond the batch's own anchors.
    `keys` and `negative_keys`, int64 [pairs], are the keys of the anchors' positive captions and of the negative
    captions; equal keys mean equal captions.
    """
    whole = None if keys is None or negative_keys is None else torch.cat([keys, negative_keys])
    forward = contrast(anchors, torch.cat([positives, negatives]), scale, bias, equal_pairs(keys, whole))
    backward = contrast(positives, anchors, scale, bias, equal_pairs(keys, keys))
    return (forward + backward) / 2


class HardNegativeLoss(nn.Module):
    """L_HN over edit pairs.

    `form`: "symmetric" is CLIP-IN's sum of both halves, "triplet" the image-anchored half, "negclip" only its
    source side. `family`: "softmax" (CLIP) | "sigmoid" (SigLIP).
    """

    def __init__(self, form: str = "symmetric", family: str = "softmax"):
        super().__init__()
        if form not in ("symmetric", "triplet", "negclip"):
            raise ValueError(f"unknown form of the hard-negative loss: {form!r}")
        self.form, self.contrast = form, CONTRASTS[family]

    def forward(
        self,
        source_image: Tensor,
        source_text: Tensor,
        target_image: Tensor,
        target_text: Tensor,
        scale: Tensor | float,
        bias: Tensor | float = 0,
        source_keys: Tensor | None = None,
        target_keys: Tensor | None = None,
    ) -> Tensor:
        """Each tensor is [pairs, embedding_dim], normalised, keys of captions int64 [pairs]; returns the sum of the
        form's terms.
        """

        def term(anchors: Tensor, positives: Tensor, negatives: Tensor, of_source: bool = True) -> Tensor:
            keys = (source_keys, target_keys) if of_source else (target_keys, source_keys)
            return negclip(anchors, positives, negatives, scale, bias, self.contrast, *keys)

        loss = term(source_image, source_text, target_text)
        if self.form == "negclip":
            return loss
        loss = loss + term(target_image, target_text, source_text, False)
        if self.form == "triplet":
            return loss
        loss = loss + term(source_text, source_image, target_image)
        return loss + term(target_text, target_image, source_image, False)
