"""First stage of the heads' training: the picture's head learns what was drawn, without a text.

The labels of the drawing say it exactly, so this is learnt sooner from them than from captions; and it needs no text
tower, so both can be trained at the same time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.losses.attributes import attribute_loss
from clip_in_training.scratch.losses.reading import cells_of, reading_loss
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.model.image_tower import Seen
from clip_in_training.scratch.train.stage import ScratchStage
from clip_in_training.small.model.image_tower import ImageHeads
from clip_in_training.small.recipe import SmallRecipe, TrainRecipe
from clip_in_training.small.train.examples import Examples

NAME = "look"
STREAM = 47
HELD_OUT = 256
"""Edits, the last ones, that no stage trains on and validation measures."""


def used_categories(examples: Examples) -> tuple[np.ndarray, dict[str, float]]:
    """The categories of all edits but those held out, and weights that leave composed ones out: nothing is known of
    what they show.
    """
    used = examples.categories[: max(1, len(examples) - HELD_OUT)]
    return used, {name: 0.0 for name in set(used.tolist()) if name.startswith("composed")}


def pictures(examples: Examples, entries: Sequence[tuple[int, int]], size: int) -> dict[str, Any]:
    """Maps of some pictures (row, side) of `size` pixels, with their labels and the cells of their codes."""
    places = examples.known(entries, "places")
    return {
        "maps": examples.maps(entries),
        "labels": examples.known(entries, "labels").long(),
        "cells": cells_of(places, torch.zeros(len(places), 2), size, size // 8),
        "names": [f"edit {row}, side {side}" for row, side in entries],
    }


def seen_terms(
    attributes: AttributeHeads, weights: TrainRecipe, seen: Seen, batch: dict[str, Any]
) -> dict[str, Tensor]:
    """Losses of what the reader saw against what was drawn, and their weighted sum as "known"."""
    labels, cells = batch["labels"], batch["cells"]
    named = attribute_loss(attributes(seen.features), labels)
    reading = reading_loss(attributes.read(seen, cells), cells, labels[:, attributes.code])
    return {
        "known": weights.attributes * named + weights.reading * reading,
        "attributes": named,
        "reading": reading,
    }


class LookStage(ScratchStage):
    """Trains `ImageHeads` and the classifiers of attributes on drawn edits."""

    def __init__(
        self, recipe: SmallRecipe, examples: Examples, heads: ImageHeads, attributes: AttributeHeads
    ):
        train = recipe.train
        modules = {"image": heads, "attributes": attributes}
        super().__init__(NAME, train.look_steps, train.optimiser, "fp32", modules)
        self.recipe, self.examples, self.heads, self.attributes = recipe, examples, heads, attributes
        used, composed = used_categories(examples)
        self.order = Order(used, composed, train.pairs, recipe.seed + STREAM)

    def batch(self, step: int) -> dict[str, Any]:
        """Both sides of some edits."""
        rows = self.order.rows(step).tolist()
        entries = [(row, side) for side in (0, 1) for row in rows]
        return pictures(self.examples, entries, self.recipe.data.image_size)

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The losses, and their weighted sum as "loss"."""
        seen = self.heads.reader(batch["maps"])
        terms = seen_terms(self.attributes, self.recipe.train, seen, batch)
        return {"loss": terms.pop("known"), **terms}
