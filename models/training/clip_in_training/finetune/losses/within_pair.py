"""The two sides of an edit against each other and against nothing else: four comparisons an edit.

Each image must prefer its own caption to the other side's, and each caption its own image. CLIP's loss on a pool
with both sides in it compares them too, among all other images; this term does it alone, with a weight, and with a
temperature or a margin of its own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

FORMS = ("softmax", "margin", "direction")
LARGEST_MARGIN = 10.0
"""In logits. FG-CLIP 2's."""
_SHORTEST = 1e-3
"""Differences of unit vectors below this length are not stretched to length 1, as rounding would decide them."""


class WithinPairLoss(nn.Module):
    """Mean over edits and their four comparisons, of logits scale · cosine (+ bias).

    `form` "softmax": cross-entropy over the two candidates, log(1 + exp(other - own)); in the sigmoid family
    log(1 + exp(-own)) + log(1 + exp(other)). `sharpness` multiplies the scale: a temperature of its own.

    `form` "margin": FG-CLIP 2's ranking loss (arXiv 2510.10921), max(0, τ + other - own) in both families. τ is the
    mean of own - other in the step before, from 0 to `LARGEST_MARGIN`, so what is below average is pushed. The
    paper ranks captions for an image; here images are ranked for a caption too. τ is this module's state.

    `form` "direction": log(1 + exp(-scale · sharpness · cosine(ΔI, ΔT))) with ΔI = image after - image before and
    ΔT = caption after - caption before, in both families. Where both sides are nearly the same vectors, the other
    forms have next to no gradient, as it is proportional to these differences; this one has.
    """

    margin: Tensor

    def __init__(self, form: str, family: str, sharpness: float = 1.0):
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"unknown form of the loss within an edit: {form!r}")
        self.form, self.family, self.sharpness = form, family, sharpness
        self.register_buffer("margin", torch.zeros((), dtype=torch.float64))

    def forward(
        self,
        source_image: Tensor,
        source_text: Tensor,
        target_image: Tensor,
        target_text: Tensor,
        scale: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """Vectors are [edits, embedding_dim], normalised, at least one edit; returns a scalar."""

        if self.form == "direction":
            change, said = (
                functional.normalize(after - before, dim=-1, eps=_SHORTEST)
                for before, after in ((source_image, target_image), (source_text, target_text))
            )
            return functional.softplus(-scale * self.sharpness * (change * said).sum(-1)).mean()

        def logits(images: Tensor, texts: Tensor) -> Tensor:
            return scale * self.sharpness * (images * texts).sum(-1) + bias

        source, target = logits(source_image, source_text), logits(target_image, target_text)
        target_said, source_said = logits(source_image, target_text), logits(target_image, source_text)
        # Anchors: image before, image after, text before, text after.
        own = torch.stack([source, target, source, target])
        other = torch.stack([target_said, source_said, source_said, target_said])
        if self.form == "margin":
            return self._ranking(own - other)
        if self.family == "sigmoid":
            return (functional.softplus(-own) + functional.softplus(other)).mean()
        return functional.softplus(other - own).mean()

    def _ranking(self, lead: Tensor) -> Tensor:
        loss = functional.relu(self.margin.to(lead) - lead).mean()
        mean = lead.detach().double().mean()
        if torch.isfinite(mean):  # A step that is no number is reported by its loss; the margin outlives it.
            self.margin.copy_(mean.clamp(0, LARGEST_MARGIN))
        return loss
