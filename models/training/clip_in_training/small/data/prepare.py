"""Draws the edits of a recipe and stores their maps: `python -m clip_in_training.small.data.prepare --recipe FILE`.

A call that was stopped goes on with the block that it was at. `--until N` stops after N blocks.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch

from clip_in_training.common.errors import BackboneError, DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.small.data.drawing import Drawer, Drawn
from clip_in_training.small.data.frozen import FrozenTower
from clip_in_training.small.data.store import BLOCK, Block, has_block, keep_settings, write_block
from clip_in_training.small.lite0_weights import pretrained
from clip_in_training.small.recipe import SmallRecipe, load_small_recipe


def prepare(recipe: SmallRecipe, until: int | None = None) -> int:
    """Writes the blocks that are missing and returns how many there are.

    Raises `DataError` if pictures or typefaces are missing or the folder has blocks of other settings, and
    `BackboneError` if there are no weights.
    """
    data = recipe.data
    folder = Path(data.directory)
    settings = dataclasses.asdict(data)
    # More edits are more blocks of the same kind, wherever they lie.
    del settings["pairs"], settings["directory"]
    keep_settings(folder, settings)
    count = -(-data.pairs // BLOCK)
    count = count if until is None else min(count, until)
    drawer, tower = Drawer(data), FrozenTower(pretrained(), data.image_size, recipe.threads)
    for number in range(count):
        if has_block(folder, number):
            continue
        began = time.process_time()
        drawn = [drawer(number * BLOCK + place) for place in range(BLOCK)]
        middle = time.process_time()
        write_block(folder, number, encoded(drawn, tower))
        seconds = time.process_time() - middle
        print(
            f"block {number + 1} of {count}: drawn in {middle - began:.1f} s, encoded in {seconds:.1f} s",
            flush=True,
        )
    return count


def encoded(drawn: list[Drawn], tower: FrozenTower) -> Block:
    """What the frozen tower makes of some edits."""
    found = tower(np.concatenate([each.pixels for each in drawn]))
    arrays = {name: values.reshape(len(drawn), 2, *values.shape[1:]) for name, values in found.items()}
    known = {
        "labels": np.stack([each.labels for each in drawn]).astype(np.int16),
        "stated": np.stack([each.stated for each in drawn]),
        "places": np.stack([each.places for each in drawn]),
        "logits": arrays.pop("logits"),
    }
    texts = [[list(both) for both in each.texts] for each in drawn]
    return Block(arrays, known, texts, [each.category for each in drawn])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m clip_in_training.small.data.prepare", description=__doc__
    )
    parser.add_argument("--recipe", type=Path, required=True, help="e.g. models/recipes/small.toml")
    parser.add_argument("--until", type=int, help="stop after this many blocks")
    options = parser.parse_args()
    try:
        recipe, _ = load_small_recipe(options.recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        prepare(recipe, options.until)
    except (BackboneError, DataError, RecipeError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
