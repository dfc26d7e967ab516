"""Second stage of the heads' training: the text's head learns what captions state, without a picture.

What depends on the order of words (left of, tip up, the characters of a code) is learnt late from CLIP's loss, and a
step without pictures costs a third of one with them. The prototypes that captions are held against here are those
that pictures are held against in the next stage.
"""

from typing import Any

import numpy as np
from torch import Tensor

from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.losses.attributes import attribute_loss
from clip_in_training.scratch.train.stage import ScratchStage
from clip_in_training.small.model.text_tower import TextHeads
from clip_in_training.small.recipe import SmallRecipe
from clip_in_training.small.train.captions import captions, encode
from clip_in_training.small.train.examples import Examples
from clip_in_training.small.train.look import used_categories
from clip_in_training.small.train.prototypes import Prototypes, said_labels
from clip_in_training.small.train.states import States

NAME = "read"
STREAM = 53


class ReadStage(ScratchStage):
    """Trains `TextHeads` and the prototypes of attributes on captions of drawn edits."""

    def __init__(
        self,
        recipe: SmallRecipe,
        examples: Examples,
        states: States,
        heads: TextHeads,
        prototypes: Prototypes,
    ):
        train = recipe.train
        modules = {"text": heads, "prototypes": prototypes}
        super().__init__(NAME, train.read_steps, train.optimiser, "fp32", modules)
        self.recipe, self.examples, self.states = recipe, examples, states
        self.heads, self.prototypes = heads, prototypes
        used, composed = used_categories(examples)
        self.order = Order(used, composed, train.pairs, recipe.seed + STREAM)

    def batch(self, step: int) -> dict[str, Any]:
        """Captions of both sides of some edits, in one of their wordings, and the labels of what they state."""
        rows = self.order.rows(step).tolist()
        random = np.random.default_rng([self.recipe.seed, STREAM, step])
        wordings = [int(random.integers(len(self.examples.texts[row]))) for row in rows]
        entries = [(row, side) for side in (0, 1) for row in rows]
        texts = [
            self.examples.texts[row][wording][side]
            for side in (0, 1)
            for row, wording in zip(rows, wordings, strict=True)
        ]
        labels = self.examples.known(entries, "labels").long()
        return {
            "texts": captions(self.states, texts),
            "said": said_labels(labels, self.examples.known(entries, "stated")),
            "names": [f"edit {row}, side {side}" for row, side in entries],
        }

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The loss."""
        texts, _ = encode(self.heads, batch["texts"])
        fine = texts[:, self.recipe.heads.world :]
        return {"loss": attribute_loss(self.prototypes(fine), batch["said"])}
