"""L_HN of CLIP-IN (arXiv 2508.02329): an edit's two sides are each other's hard negatives.

L_HN = L_HN^I + L_HN^T. The image-anchored half is TripletCLIP's loss (arXiv 2411.02545); the text-anchored
half, with the roles of the modalities swapped, is what CLIP-IN adds. NegCLIP (arXiv 2210.01936) is the source
side of the first half.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def negclip(anchors: Tensor, positives: Tensor, negatives: Tensor, scale: Tensor | float) -> Tensor:
    """½ [CE(scale · [V Uᵀ | V U⁻ᵀ], diagonal) + CE(scale · U Vᵀ, diagonal)].

    All arguments are [pairs, embedding_dim], normalised, row i belonging to row i. Every negative of the
    batch joins the pool of every anchor; the second term has no negatives beyond the batch's own anchors.
    """
    target = torch.arange(len(anchors), device=anchors.device)
    pool = torch.cat([positives, negatives])
    forward = functional.cross_entropy(scale * anchors @ pool.T, target)
    backward = functional.cross_entropy(scale * positives @ anchors.T, target)
    return (forward + backward) / 2


class HardNegativeLoss(nn.Module):
    """L_HN over edit pairs.

    `form`: "symmetric" is CLIP-IN's sum of both halves, "triplet" the image-anchored half, "negclip" only its
    source side.
    """

    def __init__(self, form: str = "symmetric"):
        super().__init__()
        if form not in ("symmetric", "triplet", "negclip"):
            raise ValueError(f"unknown form of the hard-negative loss: {form!r}")
        self.form = form

    def forward(
        self,
        source_image: Tensor,
        source_text: Tensor,
        target_image: Tensor,
        target_text: Tensor,
        scale: Tensor | float,
    ) -> Tensor:
        """Each argument is [pairs, embedding_dim], normalised; returns the sum of the form's terms."""
        loss = negclip(source_image, source_text, target_text, scale)
        if self.form == "negclip":
            return loss
        loss = loss + negclip(target_image, target_text, source_text, scale)
        if self.form == "triplet":
            return loss
        loss = loss + negclip(source_text, source_image, target_image, scale)
        return loss + negclip(target_text, target_image, source_image, scale)
