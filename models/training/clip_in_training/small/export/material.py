"""Pictures and texts to compare runtimes on and to calibrate int8 with: edits that training does not draw."""

from collections.abc import Iterable

import numpy as np

from clip_in_training.export.golden import TEXTS
from clip_in_training.export.inputs import ROWS, Inputs, Material
from clip_in_training.small.data.drawing import Drawer
from clip_in_training.small.recipe import SmallRecipe

FIRST = 900_000_000
"""Number of the first edit; training counts from 0."""
CALIBRATED = 96
"""Edits, of two pictures and two texts each."""


def material(recipe: SmallRecipe) -> Material:
    """Drawn and composed edits with all changes that training makes to pictures."""
    drawer = Drawer(recipe.data)

    def inputs(numbers: Iterable[int]) -> Inputs:
        drawn = [drawer(FIRST + number) for number in numbers]
        texts = [text for each in drawn for text in each.texts[0]]
        return Inputs(np.concatenate([each.pixels for each in drawn]), texts)

    checked = inputs(range(-(-ROWS // 2)))
    return Material(
        Inputs(checked.pixels[:ROWS], [*checked.texts, *TEXTS]),
        lambda: inputs(range(1000, 1000 + CALIBRATED)),
        f"{ROWS} drawn and composed scenes and their captions",
    )
