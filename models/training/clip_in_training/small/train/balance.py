"""Last stage of the heads' training: how much of its embedding a text gives to the trained part.

CLIP's loss on scenes alone gives the trained part all that it may have, in every text that is not the bare name of a
class: "a deer" would be looked for among drawn parts. So the balance is learnt from what a text is about, after all
else: captions of drawn scenes against names, phrases and definitions of things in the world.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.train.stage import ScratchStage
from clip_in_training.small.model.backbone import Heads
from clip_in_training.small.recipe import SmallRecipe
from clip_in_training.small.train.captions import captions, encode
from clip_in_training.small.train.examples import Examples
from clip_in_training.small.train.look import HELD_OUT
from clip_in_training.small.train.states import States

NAME = "balance"
STREAM = 59
COMPOSED = 0.5
"""What is wanted for composed scenes: their things are of the world, what is done with them is not."""


class BalanceStage(ScratchStage):
    """Trains the balance of `TextHeads` on captions, and on texts about the world."""

    def __init__(
        self,
        recipe: SmallRecipe,
        examples: Examples,
        states: States,
        world: Sequence[States],
        heads: Heads,
    ):
        """`world` are sets of texts about the world; a batch has as many of each as of captions."""
        super().__init__(NAME, recipe.train.balance_steps, recipe.train.optimiser, "fp32", {"heads": heads})
        self.recipe, self.examples, self.states = recipe, examples, states
        self.world, self.heads = world, heads
        used = examples.categories[: max(1, len(examples) - HELD_OUT)]
        self.order = Order(used, {}, recipe.train.pairs, recipe.seed + STREAM)

    def batch(self, step: int) -> dict[str, Any]:
        """Captions of one side of some edits, as many texts of each other kind, and what is wanted of each."""
        rows = self.order.rows(step).tolist()
        random = np.random.default_rng([self.recipe.seed, STREAM, step])
        chosen = [
            self.examples.texts[row][int(random.integers(len(self.examples.texts[row])))][
                int(random.integers(2))
            ]
            for row in rows
        ]
        sets = [captions(self.states, chosen)]
        composed = [str(self.examples.categories[row]).startswith("composed") for row in rows]
        wanted = [COMPOSED if each else 1.0 for each in composed]
        for texts in self.world:
            numbers = random.integers(len(texts), size=len(rows)).tolist()
            sets.append(captions(texts, numbers))
            wanted += [0.0] * len(numbers)
        names = [f"edit {row}" for row in rows]
        names += [f"text {number}" for number in range(len(wanted) - len(names))]
        return {"texts": sets, "wanted": torch.tensor(wanted), "names": names}

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Cross-entropy of the balance, and its means."""
        shares = [encode(self.heads.text, texts)[1] for texts in batch["texts"]]
        loss = functional.binary_cross_entropy(torch.cat(shares), batch["wanted"])
        return {
            "loss": loss,
            "share_of_captions": shares[0].mean(),
            "share_of_world": torch.cat(shares[1:]).mean(),
        }
