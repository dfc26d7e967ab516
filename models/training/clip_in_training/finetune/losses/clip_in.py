"""The sum that stage 2 of fine-tuning minimises: L_short + L_long + L_HN, each with a weight."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from clip_in_training.common.losses.contrast import CONTRASTS, both_ways
from clip_in_training.common.losses.hard_negative import HardNegativeLoss
from clip_in_training.finetune.losses.pool import Pool

if TYPE_CHECKING:
    from clip_in_training.finetune.recipe import TuningLossRecipe


class ClipInLoss(nn.Module):
    """CLIP-IN's losses on the pool of all processes.

    `family` is the backbone's: with "sigmoid", every softmax cross-entropy is SigLIP's pair-wise sigmoid on
    the same pool (our inference: the paper does not say what it does with SigLIP).
    """

    def __init__(self, weights: "TuningLossRecipe", family: str):
        super().__init__()
        self.weights = weights
        self.contrast = CONTRASTS[family]
        self.hard_negative = HardNegativeLoss(weights.hard_negative, family)

    def needs(self, kind: str) -> bool:
        """Whether any term reads the captions of this kind ("short" or "long")."""
        return getattr(self.weights, f"clip_{kind}") > 0 or getattr(self.weights, f"hard_negative_{kind}") > 0

    def forward(self, pool: Pool) -> dict[str, Tensor]:
        """The unweighted terms that are switched on, and "loss", their weighted sum.

        A caption that is missing takes its image out of that term, and of L_HN the whole edit. A term that
        nothing is left for is 0.
        """
        terms: dict[str, Tensor] = {}
        for kind, texts, there in (
            ("short", pool.short, pool.has_short),
            ("long", pool.long, pool.has_long),
        ):
            if texts is None:  # No term reads them.
                continue
            if getattr(self.weights, f"clip_{kind}") > 0:
                terms[f"clip_{kind}"] = self._clip(pool, texts, there)
            if getattr(self.weights, f"hard_negative_{kind}") > 0:
                terms[f"hard_negative_{kind}"] = self._hard_negative(pool, texts, there)
        if not terms:
            raise ValueError("every term of [finetune.losses] is zero: nothing to learn")
        weighted = torch.stack([getattr(self.weights, name) * term for name, term in terms.items()]).sum()
        return {**terms, "loss": weighted}

    def _clip(self, pool: Pool, texts: Tensor, there: Tensor) -> Tensor:
        if self.weights.clip_images == "singles":
            there = there & (torch.arange(len(there), device=there.device) >= 2 * pool.pairs)
        images, texts = pool.images[there], texts[there]
        if len(images) == 0:
            return _nothing(pool)
        return both_ways(self.contrast, images, texts, pool.scale, pool.bias)

    def _hard_negative(self, pool: Pool, texts: Tensor, there: Tensor) -> Tensor:
        source, target = slice(0, pool.pairs), slice(pool.pairs, 2 * pool.pairs)
        both = there[source] & there[target]
        if not both.any():
            return _nothing(pool)
        return self.hard_negative(
            pool.images[source][both],
            texts[source][both],
            pool.images[target][both],
            texts[target][both],
            pool.scale,
            pool.bias,
        )


def _nothing(pool: Pool) -> Tensor:
    """0 that a gradient can be asked of."""
    return (pool.scale * 0).sum()
