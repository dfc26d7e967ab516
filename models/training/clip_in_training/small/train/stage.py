"""Batches and loss of the heads' training."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.train.stage import ScratchStage
from clip_in_training.small.model.backbone import Heads
from clip_in_training.small.recipe import SmallRecipe
from clip_in_training.small.train.captions import CHUNK, captions, encode
from clip_in_training.small.train.examples import Examples
from clip_in_training.small.train.look import HELD_OUT, pictures, seen_terms
from clip_in_training.small.train.loss import also_true, pool_loss, within_loss
from clip_in_training.small.train.prototypes import Prototypes, shared_loss
from clip_in_training.small.train.states import States

NAME = "heads"
STREAM = 43


class HeadsStage(ScratchStage):
    """Trains `Heads`, with classifiers and prototypes of attributes beside them that no bundle gets."""

    def __init__(
        self,
        recipe: SmallRecipe,
        examples: Examples,
        states: States,
        names: States,
        heads: Heads,
        attributes: AttributeHeads,
        prototypes: Prototypes,
    ):
        train = recipe.train
        modules = {"heads": heads, "attributes": attributes, "prototypes": prototypes}
        rates = dataclasses.replace(train.optimiser, learning_rate=train.joint_rate)
        super().__init__(NAME, train.steps, rates, "fp32", modules)
        self.recipe, self.examples, self.states, self.names_of_classes = recipe, examples, states, names
        self.heads, self.attributes, self.prototypes = heads, attributes, prototypes
        used = examples.categories[: max(1, len(examples) - HELD_OUT)]
        self.order = Order(used, {}, train.pairs, recipe.seed + STREAM)

    def batch(self, step: int) -> dict[str, Any]:
        """Maps, what is known of the pictures, and the texts in chunks: all sources, then their edits."""
        rows = self.order.rows(step).tolist()
        random = np.random.default_rng([self.recipe.seed, STREAM, step])
        wordings = [int(random.integers(len(self.examples.texts[row]))) for row in rows]
        names = random.integers(len(self.names_of_classes), size=self.recipe.train.classes).tolist()
        entries = [(row, side) for side in (0, 1) for row in rows]
        chosen = [
            (row, wording, side) for side in (0, 1) for row, wording in zip(rows, wordings, strict=True)
        ]
        texts = [self.examples.text(*each) for each in chosen]
        seen = pictures(self.examples, entries, self.recipe.data.image_size)
        stated = self.examples.known(entries, "stated")
        return {
            **seen,
            "stated": stated,
            "true": also_true(seen["labels"], stated, texts),
            "texts": captions(self.states, [self.examples.texts[r][w][s] for r, w, s in chosen]),
            "classes": captions(self.names_of_classes, names).chunks,
        }

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Every loss term of a batch and their weighted sum."""
        weights = self.recipe.train
        images, seen = self.heads.image(batch["maps"])
        texts, shares = encode(self.heads.text, batch["texts"])
        clip = pool_loss(images, texts, self.heads.scale(), batch["true"])
        within = within_loss(images, texts, self.heads.scale())
        known = seen_terms(self.attributes, weights, seen, batch)
        fine = slice(self.recipe.heads.world, None)
        shared = shared_loss(
            self.prototypes, images[:, fine], texts[:, fine], batch["labels"], batch["stated"]
        )
        silent = torch.cat([self.heads.text(*chunk)[1] for chunk in batch["classes"]]).mean()
        loss = clip + weights.within * within + known.pop("known")
        loss = loss + weights.shared * shared + weights.silence * silent
        return {
            "loss": loss,
            "clip": clip,
            "within": within,
            **known,
            "shared": shared,
            "share_of_names": silent,
            "share_of_captions": shares.mean(),
            "logit_scale": self.heads.scale(),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Percent of the edits kept aside whose texts both prefer their picture; "score" is the mean of the kinds."""
        self.heads.eval()
        rows = list(range(max(0, len(self.examples) - HELD_OUT), len(self.examples)))
        right: dict[str, list[bool]] = {"drawn": [], "composed": []}
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            maps = self.examples.maps([(row, side) for row in some for side in (0, 1)])
            images = self.heads.image(maps)[0].unflatten(0, (-1, 2))
            numbers = [self.examples.texts[row][0][side] for row in some for side in (0, 1)]
            texts = encode(self.heads.text, captions(self.states, numbers))[0].unflatten(0, (-1, 2))
            cosines = texts @ images.transpose(1, 2)
            good = (cosines[:, 0, 0] > cosines[:, 0, 1]) & (cosines[:, 1, 1] > cosines[:, 1, 0])
            for row, each in zip(some, good.tolist(), strict=True):
                composed = self.examples.categories[row].startswith("composed")
                right["composed" if composed else "drawn"].append(each)
        self.heads.train()
        shares = {name: 100 * float(np.mean(found)) for name, found in right.items() if found}
        return {"score": float(np.mean(list(shares.values()))), **shares}
