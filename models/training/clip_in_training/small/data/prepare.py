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
from clip_in_training.export.graph import fold_batch_norm
from clip_in_training.small.data.drawing import Drawer, Drawn
from clip_in_training.small.data.store import BLOCK, Block, has_block, keep_settings, write_block
from clip_in_training.small.lite0 import Lite0
from clip_in_training.small.lite0_weights import pretrained
from clip_in_training.small.model.image_tower import frozen_maps
from clip_in_training.small.recipe import SmallRecipe, load_small_recipe

BATCH = 32
"""Pictures that the tower reads at once."""


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
    drawer, lite0 = Drawer(data), fold_batch_norm(pretrained())
    for number in range(count):
        if has_block(folder, number):
            continue
        began = time.process_time()
        drawn = [drawer(number * BLOCK + place) for place in range(BLOCK)]
        middle = time.process_time()
        write_block(folder, number, encoded(drawn, lite0))
        seconds = time.process_time() - middle
        print(
            f"block {number + 1} of {count}: drawn in {middle - began:.1f} s, encoded in {seconds:.1f} s",
            flush=True,
        )
    return count


@torch.inference_mode()
def encoded(drawn: list[Drawn], lite0: Lite0) -> Block:
    """What the frozen tower makes of some edits."""
    pixels = torch.from_numpy(np.concatenate([each.pixels for each in drawn]))
    found: dict[str, list[np.ndarray]] = {}
    for batch in pixels.split(BATCH):
        maps = frozen_maps(lite0, batch)
        for name, values in (*maps._asdict().items(), ("logits", lite0.classifier(maps.pooled))):
            found.setdefault(name, []).append(values.numpy().astype(np.float16))
    arrays = {
        name: np.concatenate(parts).reshape(len(drawn), 2, *parts[0].shape[1:])
        for name, parts in found.items()
    }
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
    torch.set_flush_denormal(True)
    try:
        recipe, _ = load_small_recipe(options.recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        prepare(recipe, options.until)
    except (BackboneError, DataError, RecipeError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
