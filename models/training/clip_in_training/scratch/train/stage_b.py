"""Stage B: both towers learn together from edits, with CLIP-IN's losses."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.scratch.data.augment import augment
from clip_in_training.scratch.data.changed_captions import questions
from clip_in_training.scratch.data.examples import Examples
from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.losses.joint import Encoded, JointLoss
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.model.dual_encoder import DualEncoder
from clip_in_training.scratch.recipe import Recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES
from clip_in_training.scratch.tokenizer.encode import TextEncoder, pad
from clip_in_training.scratch.train.stage import ScratchStage

NAME = "stage_b"
STREAM = 23
"""Separates this stage's random numbers from those of stage A."""


class StageB(ScratchStage):
    """Batches and loss of the contrastive training."""

    def __init__(
        self,
        recipe: Recipe,
        edits: Examples,
        model: DualEncoder,
        heads: AttributeHeads,
        tokenize: TextEncoder,
    ):
        stage = recipe.stage_b
        modules = {"model": model, "heads": heads}
        super().__init__(NAME, stage.steps, stage.optimiser, recipe.precision, modules)
        self.recipe, self.edits, self.model, self.heads = recipe, edits, model, heads
        self.loss, self.tokenize = JointLoss(recipe.stage_b.losses), tokenize
        self.ids = {
            "short": [[tokenize.ids(text) for text in row] for row in edits.short],
            "long": [[tokenize.ids(text) for text in row] for row in edits.long],
        }
        weights, seed = recipe.data.category_weights, recipe.seed + STREAM
        self.together = stage.keep_pairs_together
        if self.together:
            self.order = Order(edits.category, weights, stage.pairs, seed)
        else:
            self.order = Order(np.repeat(edits.category, 2), weights, 2 * stage.pairs, seed)

    def entries(self, step: int) -> list[tuple[int, int]]:
        """(row, side) of each image of a step: all sources, then their edits; or 2 x pairs single images."""
        rows = self.order.rows(step)
        if self.together:
            return [(row, side) for side in (0, 1) for row in rows]
        return [(entry // 2, entry % 2) for entry in rows]

    def batch(self, step: int) -> dict[str, Any]:
        """Pixels, labels and token ids ("short", "long"; only those that a term uses) of a step."""
        entries = self.entries(step)
        random = np.random.default_rng([self.recipe.seed, STREAM, step])
        pixels = np.stack([self.edits.pixels[row, side] for row, side in entries])
        ids = {
            kind: pad([rows[row][side] for row, side in entries])
            for kind, rows in self.ids.items()
            if self.loss.needs(kind)
        }
        pixels, _ = augment(pixels, self.recipe.augment, random)
        labels = np.stack([self.edits.labels[row, side] for row, side in entries])
        if self.loss.weights.changed_captions > 0:
            ids |= self._changed(labels, step)
        return {
            "pixels": torch.from_numpy(pixels),
            "labels": torch.from_numpy(labels),
            "names": [f"edit {row}, side {side}" for row, side in entries],
            **ids,
        }

    def _changed(self, labels: np.ndarray, step: int) -> dict[str, Tensor]:
        """Captions of other values, and the image that each is asked of."""
        random = np.random.default_rng([self.recipe.seed, STREAM, step, 1])
        stage = self.recipe.stage_b
        asked = questions(list(labels), ATTRIBUTES, stage.changed_captions, random, stage.wide_wording)
        owner = torch.repeat_interleave(torch.tensor([len(texts) for texts in asked]))
        return {"changed": self.tokenize([text for texts in asked for text in texts]), "owner": owner}

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Every loss term of a batch and their weighted sum."""
        vectors, patches, seen = self.model.image_tower(batch["pixels"])
        weights = self.recipe.stage_b.losses
        texts = {kind: self.model.encode_text(batch[kind]) for kind in self.ids if kind in batch}
        encoded = Encoded(
            images=functional.normalize(vectors.float(), dim=-1),
            short=texts.get("short"),
            long=texts.get("long"),
            patches=functional.normalize(patches.float(), dim=-1) if weights.patches > 0 else None,
            attribute_logits=self.heads(seen.features) if weights.attributes > 0 else None,
            labels=batch["labels"],
            scale=self.model.scale(),
            changed=(self.model.encode_text(batch["changed"]), batch["owner"])
            if "changed" in batch
            else None,
        )
        return {**self.loss(encoded), "logit_scale": encoded.scale}
