"""The loss of stage B: the weighted sum of all terms of CLIP-IN."""

from dataclasses import dataclass

import torch
from open_clip import ClipLoss
from torch import Tensor, nn

from clip_in_training.common.losses.hard_negative import HardNegativeLoss
from clip_in_training.scratch.losses.attributes import attribute_loss
from clip_in_training.scratch.losses.changed_captions import changed_caption_loss
from clip_in_training.scratch.losses.patches import patch_loss
from clip_in_training.scratch.recipe import LossRecipe


@dataclass
class Encoded:
    """The model's outputs for one batch; row i of everything belongs to image i.

    Where pairs stay together, the first half of the rows are sources and the second half their edits.
    """

    images: Tensor
    short: Tensor | None
    long: Tensor | None
    patches: Tensor | None
    attribute_logits: dict[str, Tensor] | None
    labels: Tensor
    scale: Tensor
    changed: tuple[Tensor, Tensor] | None = None
    """Captions of other values, and the image that each is asked of, as `changed_caption_loss` wants them."""


class JointLoss(nn.Module):
    """L_short, L_long and L_HN of CLIP-IN, and three terms of the demo model, weighted by the recipe."""

    def __init__(self, weights: LossRecipe):
        super().__init__()
        self.weights = weights
        self.clip = ClipLoss()
        self.hard_negative = HardNegativeLoss(weights.hard_negative)

    def needs(self, kind: str) -> bool:
        """Whether any term uses the captions of this kind ("short" or "long")."""
        named = {
            "short": ("clip_short", "hard_negative_short", "patches"),
            "long": ("clip_long", "hard_negative_long"),
        }
        return any(getattr(self.weights, name) > 0 for name in named[kind])

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """The unweighted terms that are switched on, and "loss", their weighted sum."""
        terms: dict[str, Tensor] = {}
        for kind, texts in (("short", encoded.short), ("long", encoded.long)):
            if texts is None:  # No term uses them.
                continue
            if getattr(self.weights, f"clip_{kind}") > 0:
                terms[f"clip_{kind}"] = self.clip(encoded.images, texts, encoded.scale)
            if getattr(self.weights, f"hard_negative_{kind}") > 0:
                source_image, target_image = encoded.images.chunk(2)
                source_text, target_text = texts.chunk(2)
                terms[f"hard_negative_{kind}"] = self.hard_negative(
                    source_image, source_text, target_image, target_text, encoded.scale
                )
        if self.weights.attributes > 0 and encoded.attribute_logits is not None:
            terms["attributes"] = attribute_loss(encoded.attribute_logits, encoded.labels)
        if self.weights.patches > 0 and encoded.patches is not None and encoded.short is not None:
            terms["patches"] = patch_loss(encoded.patches, encoded.short.detach(), encoded.scale.detach())
        if self.weights.changed_captions > 0 and encoded.changed is not None:
            terms["changed_captions"] = changed_caption_loss(encoded.images, *encoded.changed, encoded.scale)
        if not terms:
            raise ValueError("every term of [stage_b.losses] is zero; give at least one a weight")
        weighted = torch.stack([getattr(self.weights, name) * term for name, term in terms.items()]).sum()
        return {**terms, "loss": weighted}
