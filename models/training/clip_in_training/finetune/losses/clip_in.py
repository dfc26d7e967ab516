"""The sum that stage 2 of fine-tuning minimises: L_short + L_long + L_HN and further terms, each with a weight."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.common.losses.contrast import CONTRASTS, both_ways
from clip_in_training.common.losses.hard_negative import HardNegativeLoss
from clip_in_training.finetune.losses.pool import Pool
from clip_in_training.finetune.losses.within_pair import WithinPairLoss

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
        self.within_pair = nn.ModuleDict(
            {
                kind: WithinPairLoss(weights.within_pair, family, weights.within_pair_sharpness)
                for kind in ("short", "long")
                if getattr(weights, f"within_pair_{kind}") > 0
            }
        )

    def needs(self, kind: str) -> bool:
        """Whether any term reads the captions of this kind ("short", "long" or "prompt")."""
        if kind == "prompt":
            return self.weights.difference > 0
        return any(
            getattr(self.weights, f"{term}_{kind}") > 0 for term in ("clip", "hard_negative", "within_pair")
        )

    def forward(self, pool: Pool) -> dict[str, Tensor]:
        """The unweighted terms that are switched on, and "loss", their weighted sum.

        A caption that is missing takes its image out of that term, and of L_HN and the loss within edits the
        whole edit. A term that nothing is left for is 0.
        """
        terms: dict[str, Tensor] = {}
        for kind, texts, there, keys in (
            ("short", pool.short, pool.has_short, pool.short_keys),
            ("long", pool.long, pool.has_long, pool.long_keys),
        ):
            if not self.weights.mask_equal_captions:
                keys = None
            if texts is None:  # No term reads them.
                continue
            if getattr(self.weights, f"clip_{kind}") > 0:
                terms[f"clip_{kind}"] = self._clip(pool, texts, there, keys)
            if getattr(self.weights, f"hard_negative_{kind}") > 0:
                terms[f"hard_negative_{kind}"] = self._hard_negative(pool, texts, there, keys)
            if kind in self.within_pair:
                terms[f"within_pair_{kind}"] = self._within_pair(kind, pool, texts, there, keys)
        if self.weights.difference > 0:
            terms["difference"] = self._difference(pool)
        if self.weights.anchor > 0:
            terms["anchor"] = self._anchor(pool)
        if not terms:
            raise ValueError("every term of [finetune.losses] is zero: nothing to learn")
        weighted = torch.stack([getattr(self.weights, name) * term for name, term in terms.items()]).sum()
        return {**terms, "loss": weighted}

    def _clip(self, pool: Pool, texts: Tensor, there: Tensor, keys: Tensor | None) -> Tensor:
        if self.weights.clip_images == "singles":
            there = there & (torch.arange(len(there), device=there.device) >= 2 * pool.pairs)
        images, texts = pool.images[there], texts[there]
        if len(images) == 0:
            return _nothing(pool)
        keys = None if keys is None else keys[there]
        offsets = self._partner_offsets(pool, there)
        return both_ways(self.contrast, images, texts, pool.scale, pool.bias, keys, offsets)

    def _partner_offsets(self, pool: Pool, there: Tensor) -> Tensor | None:
        """What is added to the logits of L_short and L_long where the other side of an edit is the negative: float
        [images, images] over the rows that are `there`, None if they are as all others.
        """
        offset = self.weights.clip_partner_margin if self.weights.clip_partners else -torch.inf
        if offset == 0 or pool.pairs == 0:
            return None
        rows = torch.arange(len(there), device=there.device)
        partner = torch.full_like(rows, -1)
        partner[: pool.pairs] = rows[pool.pairs : 2 * pool.pairs]
        partner[pool.pairs : 2 * pool.pairs] = rows[: pool.pairs]
        partners = partner[there][:, None] == rows[there][None, :]
        return torch.zeros_like(partners, dtype=pool.images.dtype).masked_fill(partners, offset)

    def _difference(self, pool: Pool) -> Tensor:
        """PC-CLIP's loss (arXiv 2409.09721): what an edit changes, in words, and the difference of the images'
        vectors, normalised, find each other.
        """
        if pool.prompt is None or pool.has_prompt is None:
            return _nothing(pool)
        source, target = slice(0, pool.pairs), slice(pool.pairs, 2 * pool.pairs)
        there = pool.has_prompt[target]
        if not there.any():
            return _nothing(pool)
        change = functional.normalize(pool.images[target][there] - pool.images[source][there], dim=-1)
        known = self.weights.mask_equal_captions and pool.prompt_keys is not None
        keys = pool.prompt_keys[target][there] if known and pool.prompt_keys is not None else None
        return both_ways(self.contrast, change, pool.prompt[target][there], pool.scale, pool.bias, keys)

    def _anchor(self, pool: Pool) -> Tensor:
        """1 - cosine of single images and their captions to what the start made of them, mean over all of these."""
        singles = torch.arange(len(pool.images), device=pool.images.device) >= 2 * pool.pairs
        moved = []
        for now, start, there in (
            (pool.images, pool.start_images, singles),
            (pool.short, pool.start_short, singles & pool.has_short),
            (pool.long, pool.start_long, singles & pool.has_long),
        ):
            if now is not None and start is not None:
                moved.append(1 - (now[there] * start[there]).sum(-1))
        far = torch.cat(moved) if moved else pool.images.new_zeros(0)
        return far.mean() if len(far) else _nothing(pool)

    def _hard_negative(self, pool: Pool, texts: Tensor, there: Tensor, keys: Tensor | None) -> Tensor:
        source, target = slice(0, pool.pairs), slice(pool.pairs, 2 * pool.pairs)
        both = there[source] & there[target]
        if not both.any():
            return _nothing(pool)
        return self.hard_negative(
            *_sides(pool, texts, both),
            pool.scale,
            pool.bias,
            None if keys is None else keys[source][both],
            None if keys is None else keys[target][both],
        )

    def _within_pair(
        self, kind: str, pool: Pool, texts: Tensor, there: Tensor, keys: Tensor | None
    ) -> Tensor:
        source, target = slice(0, pool.pairs), slice(pool.pairs, 2 * pool.pairs)
        both = there[source] & there[target]
        if keys is not None:  # Captions that say the same do not tell the sides apart.
            both = both & (keys[source] != keys[target])
        if not both.any():
            return _nothing(pool)
        return self.within_pair[kind](*_sides(pool, texts, both), pool.scale, pool.bias)


def _sides(pool: Pool, texts: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image and text of the source, then of the target, of the chosen edits."""
    source, target = slice(0, pool.pairs), slice(pool.pairs, 2 * pool.pairs)
    images = pool.images
    return images[source][chosen], texts[source][chosen], images[target][chosen], texts[target][chosen]


def _nothing(pool: Pool) -> Tensor:
    """0 that a gradient can be asked of."""
    return (pool.scale * 0).sum()
