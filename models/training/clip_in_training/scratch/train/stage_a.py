"""Stage A: the image tower learns to classify what the generator drew.

Contrastive losses alone hardly train a small tower from scratch, because captions differ in one word of twenty.
Classifying the attributes first teaches it to see; stage B then teaches it language.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from clip_in_training.scratch.data.augment import augment
from clip_in_training.scratch.data.examples import Examples
from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.losses.attributes import attribute_loss
from clip_in_training.scratch.losses.reading import cells_of, reading_loss
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.model.image_tower import ImageTower
from clip_in_training.scratch.recipe import Recipe
from clip_in_training.scratch.train.stage import ScratchStage

NAME = "stage_a"
KINDS = {1: "scene", 2: "edit"}
"""The name of a set, by the number of images per row."""
STREAM = 11
"""Separates this stage's random numbers from those of stage B."""


class StageA(ScratchStage):
    """Batches and loss of the attribute pre-training."""

    def __init__(self, recipe: Recipe, sets: list[Examples], tower: ImageTower, heads: AttributeHeads):
        stage = recipe.stage_a
        modules = {"image_tower": tower, "heads": heads}
        super().__init__(NAME, stage.steps, stage.optimiser, recipe.precision, modules)
        self.recipe, self.sets, self.tower, self.heads = recipe, sets, tower, heads
        # One entry per image: (set, row, side).
        entries, categories = [], []
        for number, examples in enumerate(sets):
            for side in range(examples.pixels.shape[1]):
                rows = np.arange(len(examples))
                entries.append(np.stack([np.full_like(rows, number), rows, np.full_like(rows, side)], axis=1))
                categories.append(examples.category)
        self.entries = np.concatenate(entries)
        weights = recipe.data.category_weights
        self.order = Order(np.concatenate(categories), weights, recipe.stage_a.batch, recipe.seed + STREAM)

    def batch(self, step: int) -> dict[str, Any]:
        """Pixels and labels of a step."""
        chosen = self.entries[self.order.rows(step)]
        pixels = np.stack([self.sets[number].pixels[row, side] for number, row, side in chosen])
        random = np.random.default_rng([self.recipe.seed, STREAM, step])
        pixels, moved = augment(pixels, self.recipe.augment, random)
        labels = torch.from_numpy(np.stack([self.sets[n].labels[row, side] for n, row, side in chosen]))
        places = torch.from_numpy(np.stack([self.sets[n].places[row, side] for n, row, side in chosen]))
        cells = cells_of(places, torch.from_numpy(moved), pixels.shape[1], 2 * self.tower.grid)
        names = [
            f"{KINDS[self.sets[number].pixels.shape[1]]} {row}, side {side}" for number, row, side in chosen
        ]
        return {"pixels": torch.from_numpy(pixels), "labels": labels, "cells": cells, "names": names}

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The loss of a batch, and the share of correct predictions by attribute."""
        seen, labels, cells = self.tower.see(batch["pixels"]), batch["labels"], batch["cells"]
        logits = self.heads(seen.features)
        attributes = attribute_loss(logits, labels)
        reading = reading_loss(self.heads.read(seen, cells), cells, labels[:, self.heads.code])
        loss = attributes + self.recipe.stage_a.reading * reading
        with torch.no_grad():
            right = {
                f"right/{name}": (scores.argmax(-1) == labels[:, column]).float().mean()
                for column, (name, scores) in enumerate(logits.items())
            }
        return {"loss": loss, "attributes": attributes, "reading": reading, **right}
